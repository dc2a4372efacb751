package retry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// retagged is s with other validators in place of the tag.
func retagged(s rttest.Step, fields ...string) rttest.Step {
	s.Header = append([]string{"Content-Range", "bytes 5-9/10"}, fields...)
	return s
}

// Whatever the server answers, the caller gets bytes of the first version only,
// and the error that broke it off.
func TestResumeRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	good := continuation("bytes 5-9/10", "56789")
	const want = "give up 1 at 5: unexpected EOF: "
	for name, tt := range map[string]struct {
		step rttest.Step
		want string
	}{
		"200 again, changed":         {rttest.Step{Body: "abcdefghij", Header: []string{"Etag", `"v2"`}}, "representation changed: 200"},
		"200 again, the same":        {rttest.Step{Body: "0123456789", Header: []string{"Etag", `"v1"`}}, "representation changed: 200"},
		"416":                        {rttest.Step{Status: 416, Header: []string{"Content-Range", "bytes */5"}}, "continuation refused: 416"},
		"304":                        {rttest.Step{Status: 304, Header: []string{"Etag", `"v1"`}}, "continuation refused: 304"},
		"500":                        {rttest.Step{Status: 500, Body: "sorry"}, "continuation refused: 500"},
		"transport error":            {rttest.Step{Err: errors.New("reset")}, "continuation failed: reset"},
		"other tag":                  {retagged(good, "Etag", `"v2"`), "representation changed: 206"},
		"weak tag":                   {retagged(good, "Etag", `W/"v1"`), "representation changed: 206"},
		"tag in capitals":            {retagged(good, "Etag", `"V1"`), "representation changed: 206"},
		"no tag":                     {retagged(good), "representation changed: 206"},
		"two tags":                   {retagged(good, "Etag", `"v1"`, "Etag", `"v2"`), "representation changed: 206"},
		"a date in place of a tag":   {retagged(good, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"), "representation changed: 206"},
		"other complete length":      {continuation("bytes 5-9/11", "56789"), "representation changed: 206"},
		"shorter complete length":    {continuation("bytes 5-7/8", "567"), "representation changed: 206"},
		"beyond the length":          {continuation("bytes 5-10/*", "56789a"), "continuation does not fit: 206"},
		"offset too low":             {continuation("bytes 4-9/10", "456789"), "continuation does not fit: 206"},
		"offset too high":            {continuation("bytes 6-9/10", "6789"), "continuation does not fit: 206"},
		"offset zero":                {continuation("bytes 0-9/10", "0123456789"), "continuation does not fit: 206"},
		"no Content-Range":           {continuation("", "56789"), "continuation does not fit: 206"},
		"unsatisfied":                {continuation("bytes */10", "56789"), "continuation does not fit: 206"},
		"lines":                      {continuation("lines 5-9/10", "56789"), "continuation does not fit: 206"},
		"negative":                   {continuation("bytes 5--9/10", "56789"), "continuation does not fit: 206"},
		"overflow":                   {continuation("bytes 18446744073709551621-18446744073709551625/10", "56789"), "continuation does not fit: 206"},
		"overflowing length":         {continuation("bytes 5-9/18446744073709551626", "56789"), "continuation does not fit: 206"},
		"Content-Length too short":   {continuation("bytes 5-9/10", "5678", "Content-Length", "4"), "continuation does not fit: 206"},
		"Content-Length too long":    {continuation("bytes 5-9/10", "567890", "Content-Length", "6"), "continuation does not fit: 206"},
		"multipart":                  {continuation("bytes 5-9/10", "--x\r\n", "Content-Type", "multipart/byteranges; boundary=x"), "continuation does not fit: 206"},
		"multipart, as it is used":   {rttest.Step{Status: 206, Body: "--x\r\n", Header: []string{"Etag", `"v1"`, "Content-Type", "Multipart/ByteRanges; boundary=x"}}, "continuation does not fit: 206"},
		"other coding":               {continuation("bytes 5-9/10", "56789", "Content-Encoding", "gzip"), "continuation does not fit: 206"},
		"refused by an endless body": {rttest.Step{Status: 200, Body: "x", Endless: true}, "representation changed: 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rttest.NewScript(firstPart, tt.step, good)
			var w resumeLog
			got, err := readThrough(t, newResume(t, retry.ResumeConfig{Hooks: w.hooks()}), sized(s))
			require.Equal(t, rttest.ErrCut, err)
			require.Equal(t, "01234", got)
			require.Equal(t, []string{"resume 1 at 5: unexpected EOF", want + tt.want}, w.events)
			require.Len(t, s.Calls(), 2)
			require.Error(t, s.Calls()[1].Request.Context().Err(), "nothing of it is left")
			for _, b := range s.Bodies() {
				require.Positive(t, b.Closes())
				require.Less(t, b.BytesRead(), 1<<20)
			}
		})
	}
}

// sized makes the length of a part without a Content-Length field unknown, so
// that only the field under test is at fault.
func sized(next http.RoundTripper) http.RoundTripper {
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && resp.Header.Get("Content-Length") == "" {
			resp.ContentLength = -1
		}
		return resp, err
	})
}

// A part that nobody can tell the end of is of no use: its end could not be told
// from the end of all.
func TestResumeNeedsTheCompleteLength(t *testing.T) {
	t.Parallel()
	first := rttest.Step{Body: "01234", Cut: true, Header: []string{"Etag", `"v1"`}}
	s := rttest.NewScript(first, continuation("bytes 5-7/*", "567"))
	got, err := readThrough(t, newResume(t, retry.ResumeConfig{}), s)
	require.Equal(t, rttest.ErrCut, err)
	require.Equal(t, "01234", got)
}

func TestResumeNeverTooLong(t *testing.T) {
	t.Parallel()
	endless := continuation("bytes 5-9/10", "56789")
	endless.Endless = true
	for name, tt := range map[string]struct {
		steps []rttest.Step
		want  string
	}{
		"endless part":       {[]rttest.Step{firstPart, endless}, "0123456789"},
		"endless short part": {[]rttest.Step{firstPart, func() rttest.Step { e := continuation("bytes 5-6/10", "567"); e.Endless = true; return e }()}, "0123456"},
		"one byte too many":  {[]rttest.Step{firstPart, continuation("bytes 5-9/10", "56789x", "Content-Length", "-1")}, "0123456789"},
		"endless first":      {[]rttest.Step{{Body: "01234", Endless: true, Header: firstPart.Header}}, "0123401234"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rttest.NewScript(tt.steps...)
			var w resumeLog
			got, err := readThrough(t, newResume(t, retry.ResumeConfig{Hooks: w.hooks()}), s)
			require.EqualError(t, err, "retry: the body is longer than announced")
			require.Equal(t, tt.want, got)
			require.Contains(t, w.events[len(w.events)-1], "continuation does not fit")
			require.Len(t, s.Calls(), len(tt.steps))
			closedOnce(t, s)
		})
	}
}

// Whatever the parts bring, their number is bounded.
func TestResumeMaxResumes(t *testing.T) {
	t.Parallel()
	all := []rttest.Step{
		firstPart, brokenOff(continuation("bytes 5-9/10", "5")), brokenOff(continuation("bytes 6-9/10", "6")), brokenOff(continuation("bytes 7-9/10", "7")),
		brokenOff(continuation("bytes 8-9/10", "8")), continuation("bytes 9-9/10", "9"),
	}
	for limit, want := range map[int]string{0: "01234567", 1: "012345", 4: "012345678", 5: "0123456789", 100: "0123456789"} {
		s := rttest.NewScript(all...)
		var w resumeLog
		got, err := readThrough(t, newResume(t, retry.ResumeConfig{MaxResumes: limit, Hooks: w.hooks()}), s)
		require.Equal(t, want, got)
		if limit < 5 {
			require.Equal(t, rttest.ErrCut, err)
			require.Contains(t, w.events[len(w.events)-1], "resumes exhausted")
		} else {
			require.NoError(t, err)
		}
		closedOnce(t, s)
	}
	// Nor does it help to send nothing at all.
	nothing := brokenOff(continuation("bytes 5-9/10", "x"))
	nothing.Body = ""
	s := rttest.NewScript(firstPart, nothing)
	got, err := readThrough(t, newResume(t, retry.ResumeConfig{}), bodied(s))
	require.Equal(t, rttest.ErrCut, err)
	require.Equal(t, "01234", got)
	require.Len(t, s.Calls(), 1+retry.DefaultMaxResumes)
}

// bodied gives an answer without a body one that is broken at once.
func bodied(next http.RoundTripper) http.RoundTripper {
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && resp.Body == http.NoBody {
			resp.Body = failingBody{rttest.ErrCut}
		}
		return resp, err
	})
}

// failingBody is a body whose Reads fail.
type failingBody struct{ err error }

func (f failingBody) Read([]byte) (int, error) { return 0, f.err }
func (f failingBody) Close() error             { return nil }

// What can't be continued is not touched, unless somebody wants to know why.
func TestResumeLeavesAlone(t *testing.T) {
	t.Parallel()
	field := func(h ...string) rttest.Step { return rttest.Step{Body: "01234", Cut: true, Header: h} }
	const modified, date = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:36 GMT"
	for name, tt := range map[string]struct {
		req    func(*http.Request)
		step   rttest.Step
		resp   func(*http.Response)
		reason string // "": not told of
	}{
		"HEAD":              {req: func(r *http.Request) { r.Method = http.MethodHead }, step: firstPart},
		"POST":              {req: func(r *http.Request) { r.Method = http.MethodPost }, step: firstPart},
		"GET with a body":   {req: func(r *http.Request) { r.Body = rttest.NewBody("query") }, step: firstPart},
		"Range of its own":  {req: func(r *http.Request) { r.Header.Set("Range", "bytes=0-") }, step: firstPart},
		"206":               {step: brokenOff(continuation("bytes 5-9/10", "56789"))},
		"404":               {step: rttest.Step{Status: 404, Body: "01234", Cut: true, Header: firstPart.Header}},
		"203":               {step: rttest.Step{Status: 203, Body: "01234", Cut: true, Header: firstPart.Header}},
		"no validator":      {step: field(), reason: "no strong validator"},
		"weak tag":          {step: field("Etag", `W/"v1"`), reason: "no strong validator"},
		"tag not quoted":    {step: field("Etag", `v1`), reason: "no strong validator"},
		"half a tag":        {step: field("Etag", `"`), reason: "no strong validator"},
		"quote in a tag":    {step: field("Etag", `"v"1"`), reason: "no strong validator"},
		"space in a tag":    {step: field("Etag", `"v 1"`), reason: "no strong validator"},
		"empty tag field":   {step: field("Etag", ""), reason: "no strong validator"},
		"two tags":          {step: field("Etag", `"v1"`, "Etag", `"v1"`), reason: "no strong validator"},
		"young date":        {step: field("Last-Modified", modified, "Date", date), reason: "no strong validator"},
		"date, no Date":     {step: field("Last-Modified", modified), reason: "no strong validator"},
		"two dates":         {step: field("Last-Modified", modified, "Last-Modified", modified, "Date", "Mon, 07 Nov 1994 08:49:37 GMT"), reason: "no strong validator"},
		"rubbish date":      {step: field("Last-Modified", `"v1"`, "Date", "Mon, 07 Nov 1994 08:49:37 GMT"), reason: "no strong validator"},
		"rubbish Date":      {step: field("Last-Modified", modified, "Date", "now"), reason: "no strong validator"},
		"weak tag and date": {step: field("Etag", `W/"v1"`, "Last-Modified", modified, "Date", "Mon, 07 Nov 1994 08:49:37 GMT"), reason: "no strong validator"},
		"tag in a date":     {step: field("Etag", modified, "Last-Modified", modified, "Date", "Mon, 07 Nov 1994 08:49:37 GMT"), reason: "no strong validator"},
		"ranges refused":    {step: field("Etag", `"v1"`, "Accept-Ranges", "None"), reason: "ranges not accepted"},
		"event stream":      {step: field("Etag", `"v1"`, "Content-Type", "text/event-stream; charset=utf-8"), reason: "a stream or made of parts"},
		"multipart":         {step: field("Etag", `"v1"`, "Content-Type", "multipart/byteranges; boundary=x"), reason: "a stream or made of parts"},
		"decompressed":      {step: firstPart, resp: func(r *http.Response) { r.Uncompressed = true }, reason: "decompressed by the transport"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, hooked := range []bool{false, true} {
				s := rttest.NewScript(tt.step, continuation("bytes 5-9/10", "56789"))
				var body io.ReadCloser
				next := rttest.Func(func(req *http.Request) (*http.Response, error) {
					resp, err := s.RoundTrip(req)
					body = resp.Body
					if tt.resp != nil {
						tt.resp(resp)
					}
					return resp, err
				})
				var w resumeLog
				c := retry.ResumeConfig{}
				if hooked {
					c.Hooks = w.hooks()
				}
				req := newRequest(t, http.MethodGet, nil)
				if tt.req != nil {
					tt.req(req)
				}
				resp, err := newResume(t, c).Wrap(next).RoundTrip(req)
				require.NoError(t, err)
				if !hooked || tt.reason == "" {
					require.Same(t, body, resp.Body)
				}
				data, err := io.ReadAll(resp.Body)
				require.Equal(t, rttest.ErrCut, err)
				require.Equal(t, tt.step.Body, string(data))
				if hooked && tt.reason != "" {
					require.Equal(t, []string{"give up 0 at 5: unexpected EOF: " + tt.reason}, w.events)
				} else {
					require.Empty(t, w.events)
				}
				require.NoError(t, resp.Body.Close())
				require.Len(t, s.Calls(), 1)
				closedOnce(t, s)
			}
		})
	}
}

// A hook does not make a difference: what is only watched ends as it did.
func TestResumeWatchingChangesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []retry.ResumeConfig{{}, {Hooks: new(resumeLog).hooks()}} {
		s := rttest.NewScript(rttest.Step{Body: "01234", Header: []string{"Content-Length", "3"}})
		got, err := readThrough(t, newResume(t, c), s)
		require.NoError(t, err)
		require.Equal(t, "01234", got)
	}
}

func TestResumePassesAnswersWithoutABody(t *testing.T) {
	t.Parallel()
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		next := rttest.Func(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"v1"`}}, Body: body}, nil
		})
		resp, err := newResume(t, retry.ResumeConfig{}).Wrap(next).RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, body, resp.Body)
	}
}

// Errors that say so are not worth a request, nor are those after the last byte.
func TestResumeErrorsThatStay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		err  error
		want string
	}{
		"not retryable":   {"01234", behaving{retryable: false}, "give up 0 at 5: behaving: not retryable"},
		"nothing missing": {"0123456789", errBroken, "give up 0 at 10: connection broken: nothing missing"},
		"canceled":        {"01234", context.Canceled, "give up 0 at 5: context canceled: canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			calls := 0
			next := rttest.Func(func(*http.Request) (*http.Response, error) {
				calls++
				body := io.NopCloser(io.MultiReader(strings.NewReader(tt.body), failingBody{tt.err}))
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"v1"`}}, Body: body, ContentLength: 10}, nil
			})
			var w resumeLog
			resp, err := newResume(t, retry.ResumeConfig{Hooks: w.hooks()}).Wrap(next).RoundTrip(newRequest(t, http.MethodGet, nil).WithContext(ctx))
			require.NoError(t, err)
			if tt.err == context.Canceled { //nolint:errorlint // the very value
				cancel()
			}
			data, err := io.ReadAll(resp.Body)
			require.Equal(t, tt.err, err)
			require.Equal(t, tt.body, string(data))
			require.Equal(t, []string{tt.want}, w.events)
			require.Equal(t, 1, calls)
			require.NoError(t, resp.Body.Close())
		})
	}
}
