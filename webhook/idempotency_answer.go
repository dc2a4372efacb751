package webhook

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
)

// write gives the answer.
func (a *StoredAnswer) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.Header.Clone())
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// An answerRecorder holds an answer back, until it is complete or too long.
type answerRecorder struct {
	w      http.ResponseWriter
	before http.Header // what others had set: they do so for each request
	header http.Header
	status int
	sent   http.Header // as it was when the status was written
	body   bytes.Buffer
	limit  int64
	lost   bool // too long: the rest goes straight to w
}

func (r *answerRecorder) Header() http.Header { return r.header }

func (r *answerRecorder) WriteHeader(status int) {
	if status < http.StatusOK || r.status != 0 {
		return // informational, or too late
	}
	r.status, r.sent = status, r.header.Clone()
}

func (r *answerRecorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.lost {
		return r.w.Write(b)
	}
	if int64(r.body.Len()+len(b)) > r.limit {
		r.lost = true
		(&StoredAnswer{Status: r.status, Header: r.sent, Body: r.body.Bytes()}).write(r.w)
		r.body = bytes.Buffer{}
		return r.w.Write(b)
	}
	return r.body.Write(b)
}

// answer returns what can be remembered of the answer.
func (r *answerRecorder) answer() StoredAnswer {
	r.WriteHeader(http.StatusOK)
	header := r.sent.Clone()
	for _, name := range []string{"Set-Cookie", "Date", "Connection", "Transfer-Encoding"} {
		header.Del(name)
	}
	for name, values := range r.before {
		if slices.Equal(values, header[name]) {
			delete(header, name)
		}
	}
	return StoredAnswer{Status: r.status, Header: header, Body: r.body.Bytes(), Lost: r.lost}
}

// send gives the answer to the client, unless it has it already.
func (r *answerRecorder) send(a StoredAnswer) {
	if r.lost {
		return
	}
	a.Header = r.sent
	a.write(r.w)
}
