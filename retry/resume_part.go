package retry

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/holdfast-go/holdfast/internal/header"
)

// representation is what is known of the thing that is being read.
type representation struct {
	version  string // an entity tag or a date, as sent
	encoding string // the Content-Encoding
	length   int64  // -1 while unknown
}

// rest returns a copy of req, with the context ctx, that asks for all bytes from
// offset on, if the representation is still the same.
func (r *representation) rest(ctx context.Context, req *http.Request, offset int64) *http.Request {
	clone := req.WithContext(ctx)
	clone.Header = req.Header.Clone()
	if clone.Header == nil {
		clone.Header = make(http.Header, 2)
	}
	clone.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	clone.Header.Set("If-Range", r.version)
	return clone
}

// fits checks that resp holds bytes of r from offset on, and of nothing else
// (RFC 9110, sections 14.4 and 15.3.7.3). It returns which ones, with the
// complete length, which by then is known.
func (r *representation) fits(resp *http.Response, offset int64) (header.ByteRange, ResumeReason) {
	switch resp.StatusCode {
	case http.StatusPartialContent:
	case http.StatusOK:
		return header.ByteRange{}, ResumeChanged
	default:
		return header.ByteRange{}, ResumeRefused
	}
	part, ok := header.ContentRange(resp.Header)
	if !ok || part.First != offset || resp.Body == nil || multipart(resp) ||
		resp.Uncompressed || encodingOf(resp.Header) != r.encoding ||
		resp.ContentLength >= 0 && resp.ContentLength != part.Len() {
		return header.ByteRange{}, ResumeMismatch
	}
	if part.Complete < 0 {
		part.Complete = r.length
	}
	switch {
	case part.Complete <= part.Last:
		// It claims bytes beyond the end; or nobody knows where the end is, and
		// then the last byte of a part can't be told from the last of all.
		return header.ByteRange{}, ResumeMismatch
	case versionOf(resp.Header) != r.version, r.length >= 0 && part.Complete != r.length:
		return header.ByteRange{}, ResumeChanged
	}
	return part, 0
}

func encodingOf(h http.Header) string { return strings.Join(h["Content-Encoding"], ",") }

// multipart reports whether the body of resp is made of several parts, with
// their Content-Range fields inside.
func multipart(resp *http.Response) bool { return mediaType(resp) == "multipart/byteranges" }
