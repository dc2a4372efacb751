package header_test

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/header"
)

// members reads all of a field.
func members(t testing.TB, lines ...string) ([]header.Member, bool) {
	t.Helper()
	walk, ok := header.Structured(lines)
	var all []header.Member
	for m, more := walk.Next(); more; m, more = walk.Next() {
		all = append(all, m)
	}
	return all, ok
}

func TestStructured(t *testing.T) {
	t.Parallel()
	str := func(s string) header.Value { return header.Value{Kind: header.String, Text: s} }
	integer := func(n int64) header.Value { return header.Value{Kind: header.Integer, Int: n} }
	type kv struct {
		key   string
		value header.Value
	}
	for name, tt := range map[string]struct {
		lines []string
		want  []kv
	}{
		"absent":              {nil, nil},
		"empty":               {[]string{""}, nil},
		"spaces":              {[]string{"   "}, nil},
		"strings":             {[]string{`"a", "b c"`}, []kv{{"", str("a")}, {"", str("b c")}}},
		"two lines":           {[]string{`"a"`, `"b"`}, []kv{{"", str("a")}, {"", str("b")}}},
		"an empty line first": {[]string{"", `"b"`}, []kv{{"", str("b")}}},
		"tab after the comma": {[]string{"1,\t2"}, []kv{{"", integer(1)}, {"", integer(2)}}},
		"escapes":             {[]string{`"a\"b\\c"`}, []kv{{"", str(`a"b\c`)}}},
		"empty string":        {[]string{`""`}, []kv{{"", str("")}}},
		"token":               {[]string{"quota*/x:y"}, []kv{{"", header.Value{Kind: header.Token, Text: "quota*/x:y"}}}},
		"integers":            {[]string{"999999999999999, -5"}, []kv{{"", integer(999999999999999)}, {"", integer(-5)}}},
		"decimal":             {[]string{"1.5"}, []kv{{"", header.Value{Kind: header.Decimal}}}},
		"bytes":               {[]string{":QUJD:, :QQ==:, :QQ:"}, []kv{{"", header.Value{Kind: header.Bytes, Text: "QUJD"}}, {"", header.Value{Kind: header.Bytes, Text: "QQ=="}}, {"", header.Value{Kind: header.Bytes, Text: "QQ"}}}},
		"booleans":            {[]string{"?1, ?0"}, []kv{{"", header.Value{Kind: header.Boolean, Int: 1}}, {"", header.Value{Kind: header.Boolean}}}},
		"date":                {[]string{"@1659578233"}, []kv{{"", header.Value{Kind: header.Date, Int: 1659578233}}}},
		"dictionary":          {[]string{"limit=100, *x=?0"}, []kv{{"limit", integer(100)}, {"*x", header.Value{Kind: header.Boolean}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := members(t, tt.lines...)
			require.True(t, ok)
			require.Len(t, got, len(tt.want))
			for i, want := range tt.want {
				require.Equal(t, want.key, got[i].Key)
				require.Equal(t, want.value, got[i].Value)
			}
		})
	}
}

func TestStructuredMalformed(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"unterminated string":       `"a`,
		"string ends in an escape":  `"a\`,
		"unknown escape":            `"\n"`,
		"control character":         "\"a\x01\"",
		"not ASCII":                 `"é"`,
		"trailing comma":            "1,",
		"leading comma":             ",1",
		"two commas":                "1,,2",
		"trailing semicolon":        "1;",
		"space before a semicolon":  "1 ;a",
		"upper-case key":            "1;R=5",
		"upper-case key of all":     "Limit=5",
		"key without a value":       "a=",
		"parameter without a value": "1;a=",
		"no comma":                  "1 2",
		"sixteen digits":            "1000000000000000",
		"sign alone":                "-",
		"plus":                      "+5",
		"hexadecimal":               "0x10",
		"four decimals":             "1.0001",
		"decimal without digits":    "1.",
		"thirteen digits and some":  "1234567890123.5",
		"inner list":                `("a" "b");q=1`,
		"bad base64":                ":a:",
		"bad padding":               ":QQ=:",
		"padding within":            ":Q=Q=:",
		"padding alone":             ":=:",
		"three paddings":            ":Q===:",
		"unterminated bytes":        ":QUJD",
		"base64 with a space":       ":QU JD:",
		"boolean 2":                 "?2",
		"date with a fraction":      "@1.5",
		"display string":            `%"a"`,
		"list and dictionary":       "a=1, 2",
		"key of 65 letters":         strings.Repeat("k", 65) + "=1",
		"65 members":                strings.Repeat("1,", 64) + "1",
		"65 parameters":             "1" + strings.Repeat(";a", 65),
		"10,000 members":            strings.Repeat("1,", 9_999) + "1",
		"10,000 parameters":         "1" + strings.Repeat(";a", 10_000),
		"a megabyte":                `"` + strings.Repeat("x", 1<<20) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := members(t, line)
			require.False(t, ok)
			require.Empty(t, got)
			got, ok = members(t, "1", line)
			require.False(t, ok, "nor does it belong to a field")
			require.Empty(t, got)
		})
	}
	for name, line := range map[string]string{
		"64 members":        strings.Repeat("1,", 63) + "1",
		"64 parameters":     "1" + strings.Repeat(";a", 64),
		"key of 64 letters": strings.Repeat("k", 64) + "=1",
	} {
		_, ok := members(t, line)
		require.True(t, ok, name)
	}
}

func TestParam(t *testing.T) {
	t.Parallel()
	got, ok := members(t, `"p"; q=10;w=60;q=20;flag;qu="requests";r=-1`)
	require.True(t, ok)
	v, found := got[0].Param("q")
	require.True(t, found)
	require.Equal(t, header.Value{Kind: header.Integer, Int: 20}, v, "the last counts")
	n, ok := v.Count()
	require.True(t, ok)
	require.InDelta(t, 20, n, 0)
	v, found = got[0].Param("flag")
	require.True(t, found)
	require.Equal(t, header.Value{Kind: header.Boolean, Int: 1}, v)
	v, _ = got[0].Param("qu")
	name, ok := v.Name()
	require.True(t, ok)
	require.Equal(t, "requests", name)
	v, _ = got[0].Param("r")
	_, ok = v.Count()
	require.False(t, ok, "negative")
	v, found = got[0].Param("t")
	require.False(t, found)
	_, ok = v.Count()
	require.False(t, ok)
	_, ok = v.Name()
	require.False(t, ok)
}

func TestStructuredAllocatesNothing(t *testing.T) {
	lines := []string{`"burst";q=100;w=60;qu="requests";pk=:QUJD:`, `"day";q=5000;w=86400`}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		walk, _ := header.Structured(lines)
		for m, more := walk.Next(); more; m, more = walk.Next() {
			m.Param("q")
		}
	}))
}

// A field that is well-formed reads back as what it was written from.
func FuzzStructured(f *testing.F) {
	f.Add(`"burst";q=100;w=60, "day";q=5000;pk=:QUJD:`)
	f.Add(`limit=100, remaining=50, reset=5`)
	f.Add(`10, 10;w=1, 50;w=60;comment="a\"b"`)
	f.Add(`quota;t=1`)
	f.Add("?0;a=?1;b=@5, *tok;c=1.5")
	f.Fuzz(func(t *testing.T, line string) {
		got, ok := members(t, line)
		if !ok {
			require.Empty(t, got)
			return
		}
		require.LessOrEqual(t, len(got), 64)
		var written []string
		for _, m := range got {
			text, ok := write(t, m.Value)
			if !ok {
				return
			}
			if m.Key != "" {
				text = m.Key + "=" + text
			}
			written = append(written, text)
		}
		again, ok := members(t, strings.Join(written, ", "))
		require.True(t, ok)
		require.Len(t, again, len(got))
		for i := range got {
			require.Equal(t, got[i].Key, again[i].Key)
			require.Equal(t, got[i].Value, again[i].Value)
		}
		// However the members are spread over lines.
		split, ok := members(t, written...)
		require.True(t, ok)
		require.Equal(t, len(again), len(split))
	})
}

// write writes a value as RFC 9651, section 4.1.3, says.
func write(t *testing.T, v header.Value) (string, bool) {
	t.Helper()
	switch v.Kind {
	case header.Integer:
		return strconv.FormatInt(v.Int, 10), true
	case header.String:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v.Text) + `"`, true
	case header.Token:
		return v.Text, true
	case header.Bytes:
		_, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v.Text, "="))
		require.NoError(t, err)
		return ":" + v.Text + ":", true
	case header.Boolean:
		return "?" + strconv.FormatInt(v.Int, 10), true
	case header.Date:
		return "@" + strconv.FormatInt(v.Int, 10), true
	}
	return "", false
}
