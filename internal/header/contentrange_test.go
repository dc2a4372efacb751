package header_test

import (
	"math"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/header"
)

var contentRanges = map[string]struct {
	lines []string
	want  *header.ByteRange // nil: says nothing
}{
	"absent":                     {nil, nil},
	"empty":                      {[]string{""}, nil},
	"middle":                     {[]string{"bytes 5-9/20"}, &header.ByteRange{First: 5, Last: 9, Complete: 20}},
	"one byte":                   {[]string{"bytes 0-0/1"}, &header.ByteRange{First: 0, Last: 0, Complete: 1}},
	"to the end":                 {[]string{"bytes 5-9/10"}, &header.ByteRange{First: 5, Last: 9, Complete: 10}},
	"unknown length":             {[]string{"bytes 5-9/*"}, &header.ByteRange{First: 5, Last: 9, Complete: -1}},
	"unit in capitals":           {[]string{"Bytes 5-9/10"}, &header.ByteRange{First: 5, Last: 9, Complete: 10}},
	"leading zeros":              {[]string{"bytes 005-009/0010"}, &header.ByteRange{First: 5, Last: 9, Complete: 10}},
	"as long as can be":          {[]string{"bytes 5-9223372036854775806/9223372036854775807"}, &header.ByteRange{First: 5, Last: math.MaxInt64 - 1, Complete: math.MaxInt64}},
	"as long, unknown length":    {[]string{"bytes 5-9223372036854775806/*"}, &header.ByteRange{First: 5, Last: math.MaxInt64 - 1, Complete: -1}},
	"one longer":                 {[]string{"bytes 5-9223372036854775807/*"}, nil},
	"overflowing length":         {[]string{"bytes 5-9/9223372036854775808"}, nil},
	"overflowing end":            {[]string{"bytes 5-18446744073709551625/*"}, nil},
	"overflow back to the start": {[]string{"bytes 18446744073709551621-9/10"}, nil},
	"four hundred digits":        {[]string{"bytes 5-9/" + strings.Repeat("9", 400)}, nil},
	"unsatisfied":                {[]string{"bytes */10"}, nil},
	"unsatisfied, unknown":       {[]string{"bytes */*"}, nil},
	"end before start":           {[]string{"bytes 9-5/10"}, nil},
	"end at the length":          {[]string{"bytes 5-10/10"}, nil},
	"length zero":                {[]string{"bytes 0-0/0"}, nil},
	"negative start":             {[]string{"bytes -5-9/10"}, nil},
	"negative end":               {[]string{"bytes 5--9/10"}, nil},
	"negative length":            {[]string{"bytes 5-9/-10"}, nil},
	"plus sign":                  {[]string{"bytes +5-9/10"}, nil},
	"other unit":                 {[]string{"lines 5-9/10"}, nil},
	"no unit":                    {[]string{"5-9/10"}, nil},
	"unit with equals sign":      {[]string{"bytes=5-9/10"}, nil},
	"two spaces":                 {[]string{"bytes  5-9/10"}, nil},
	"space before the slash":     {[]string{"bytes 5-9 /10"}, nil},
	"space at the end":           {[]string{"bytes 5-9/10 "}, nil},
	"tab":                        {[]string{"bytes\t5-9/10"}, nil},
	"no start":                   {[]string{"bytes -9/10"}, nil},
	"no end":                     {[]string{"bytes 5-/10"}, nil},
	"no dash":                    {[]string{"bytes 5/10"}, nil},
	"no length":                  {[]string{"bytes 5-9/"}, nil},
	"no slash":                   {[]string{"bytes 5-9"}, nil},
	"star start":                 {[]string{"bytes *-9/10"}, nil},
	"two ranges":                 {[]string{"bytes 5-9/10, 0-4/10"}, nil},
	"two lines":                  {[]string{"bytes 5-9/10", "bytes 5-9/10"}, nil},
	"hexadecimal":                {[]string{"bytes 0x5-9/10"}, nil},
	"underscore":                 {[]string{"bytes 5-9/1_0"}, nil},
	"fraction":                   {[]string{"bytes 5-9/10.0"}, nil},
	"arabic digit":               {[]string{"bytes ٥-9/10"}, nil},
}

func TestContentRange(t *testing.T) {
	t.Parallel()
	for name, tt := range contentRanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := header.ContentRange(http.Header{"Content-Range": tt.lines})
			require.Equal(t, tt.want != nil, ok)
			if ok {
				require.Equal(t, *tt.want, got)
				require.Equal(t, tt.want.Last-tt.want.First+1, got.Len())
			} else {
				require.Zero(t, got)
			}
		})
	}
}

// rangeGrammar is range-resp of RFC 9110, section 14.4.
var rangeGrammar = regexp.MustCompile(`^(?i:bytes) ([0-9]+)-([0-9]+)/([0-9]+|\*)$`)

func FuzzContentRange(f *testing.F) {
	for _, tt := range contentRanges {
		f.Add(strings.Join(tt.lines, ", "))
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := header.ContentRange(http.Header{"Content-Range": {value}})
		want, wantOK := bigRange(value)
		require.Equal(t, wantOK, ok)
		require.Equal(t, want, got)
	})
}

// bigRange reads a Content-Range with numbers that don't overflow.
func bigRange(value string) (header.ByteRange, bool) {
	m := rangeGrammar.FindStringSubmatch(value)
	if m == nil {
		return header.ByteRange{}, false
	}
	var first, last, complete big.Int
	for i, n := range []*big.Int{&first, &last, &complete} {
		if m[i+1] == "*" {
			m[i+1] = strconv.FormatInt(math.MaxInt64, 10)
		}
		n.SetString(m[i+1], 10)
	}
	if first.Cmp(&last) > 0 || last.Cmp(&complete) >= 0 || !complete.IsInt64() {
		return header.ByteRange{}, false
	}
	r := header.ByteRange{First: first.Int64(), Last: last.Int64(), Complete: complete.Int64()}
	if strings.HasSuffix(value, "*") {
		r.Complete = -1
	}
	return r, true
}
