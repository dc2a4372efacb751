package fallback_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
)

func TestNewReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := fallback.New(fallback.Config{})
	require.EqualError(t, err, "fallback: Config.Answers is empty: must have at least one Answer")

	ok := static("")
	for i, tt := range []struct {
		answer fallback.Answer
		want   []string
	}{
		{fallback.Answer{}, []string{"the zero Answer is not usable"}},
		{ok.Named(""), []string{`the name "" is not a token`}},
		{ok.Named("a b"), []string{`the name "a b" is not a token`}},
		{ok.When(nil), []string{"the condition of When is nil"}},
		{fallback.Func(nil), []string{"the func of Func is nil"}},
		{fallback.Static(99, nil, nil), []string{"the status of Static is 99: must be between 200 and 599"}},
		{fallback.Static(600, nil, nil), []string{"is 600"}},
		{fallback.Static(204, nil, []byte("x")), []string{"the status of Static is 204: must not have a body"}},
		{fallback.To(":", fallback.ToConfig{}), []string{"the base URL of To is malformed"}},
		{fallback.To("ftp://example.com", fallback.ToConfig{}), []string{`has the scheme "ftp": must be http or https`}},
		{fallback.To("mirror.example.com", fallback.ToConfig{}), []string{`has the scheme ""`}},
		{fallback.To("https://:443/", fallback.ToConfig{}), []string{"has no host"}},
		{fallback.To("https://me:secret@example.com", fallback.ToConfig{}), []string{"has userinfo"}},
		{fallback.To("https://example.com/?a=b", fallback.ToConfig{}), []string{"has a query or a fragment"}},
		{fallback.To("https://example.com/#a", fallback.ToConfig{}), []string{"has a query or a fragment"}},
		{fallback.LastGood(fallback.LastGoodConfig{
			MaxBytes: -1, MaxAnswerBytes: -1, MaxAge: -1, MaxKeys: -1, IgnoreHeaders: []string{"", "Authorization"},
		}), []string{
			"LastGoodConfig.MaxBytes is -1: must not be negative", "LastGoodConfig.MaxAnswerBytes is -1: must not be negative",
			"LastGoodConfig.MaxAge is -1ns: must be between 0 and a year", "LastGoodConfig.MaxKeys is -1: must not be negative",
			`LastGoodConfig.IgnoreHeaders[0] is "": must be a token`, "LastGoodConfig.IgnoreHeaders[1] is Authorization: must not be a credential",
		}},
		{fallback.LastGood(fallback.LastGoodConfig{MaxBytes: 10, MaxAnswerBytes: 11}), []string{"MaxAnswerBytes is 11: must not be more than MaxBytes"}},
		{fallback.LastGood(fallback.LastGoodConfig{MaxAge: 366 * 24 * time.Hour}), []string{"MaxAge is 8784h0m0s"}},
	} {
		_, err := fallback.New(fallback.Config{Answers: []fallback.Answer{ok, tt.answer, {}}})
		require.ErrorContains(t, err, "fallback: Config.Answers[1]: ", i)
		require.ErrorContains(t, err, "fallback: Config.Answers[2]: the zero Answer is not usable", i)
		for _, want := range tt.want {
			require.ErrorContains(t, err, want, i)
		}
		require.NotContains(t, err.Error(), "me:secret", i)
	}
}
