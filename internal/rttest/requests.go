package rttest

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing/synctest"
	"time"
)

// aFewTries is the deadline of most calls: long enough for a few attempts,
// too short for a server that wants an hour.
const aFewTries = 5 * time.Second

func bodyClosed(e *env) {
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		ctx, cancel := context.WithTimeout(context.Background(), aFewTries)
		defer cancel()
		a := f.request(ctx)
		e.do(rt, a.req).finish()
		a.checkClosed(e, where)
	})
}

// checkClosed checks that the caller's body was closed once and each copy that
// GetBody made at least once.
func (a *attempt) checkClosed(e *env, where string) {
	if a.body != nil && a.body.Closes() != 1 {
		e.failf("%s: request body closed %d times", where, a.body.Closes())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.copies {
		if b.Closes() == 0 {
			e.failf("%s: a body that GetBody opened was not closed", where)
		}
	}
}

var errGone = errors.New("rttest: the caller has gone")

func bodyClosedWhenCancelled(e *env) {
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errGone)
		a := f.request(ctx)
		r := e.do(rt, a.req)
		r.finish()
		if r.err == nil {
			e.failf("%s: a call whose context is over succeeded", where)
		}
		if r.took != 0 {
			e.failf("%s: a call whose context is over took %v", where, r.took)
		}
		a.checkClosed(e, where)
	})
}

func requestUnchanged(e *env) {
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		ctx, cancel := context.WithTimeout(context.Background(), aFewTries)
		defer cancel()
		a := f.request(ctx)
		a.req.URL.User = url.UserPassword("user", "password")
		a.req.Header.Add("X-Twice", "1")
		a.req.Header.Add("X-Twice", "2")
		a.req.Trailer = http.Header{"Sum": {"1"}}
		a.req.TransferEncoding = []string{"identity"}
		a.req.Form = map[string][]string{"field": {"1"}}
		before, location, header := *a.req, *a.req.URL, a.req.Header.Clone()
		compare := func(when string) {
			if a.req.Context() != before.Context() {
				e.failf("%s: the request's context was changed %s", where, when)
			}
			for _, field := range changedFields(&before, a.req) {
				e.failf("%s: the request's %s was changed %s", where, field, when)
			}
			if *a.req.URL != location || !maps.EqualFunc(a.req.Header, header, equal) ||
				!reflect.DeepEqual(a.req.Trailer, http.Header{"Sum": {"1"}}) || !equal(a.req.Form["field"], []string{"1"}) ||
				len(a.req.Form) != 1 || !equal(a.req.TransferEncoding, []string{"identity"}) {
				e.failf("%s: what the request points to was changed %s", where, when)
			}
		}
		// Others may use the header map, or read the request, meanwhile.
		s.watch(func() { compare("during the call") })
		e.do(rt, a.req).finish()
		s.watch(nil)
		compare("after the call")
	})
}

// changedFields returns the names of the exported fields that differ: by
// identity, if they are maps, functions or the like.
func changedFields(before, after *http.Request) (changed []string) {
	x, y := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for i := range x.NumField() {
		field := x.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		var same bool
		switch a, b := x.Field(i), y.Field(i); field.Type.Kind() {
		case reflect.Map, reflect.Func, reflect.Slice:
			same = a.Pointer() == b.Pointer()
		default:
			same = a.Equal(b)
		}
		if !same {
			changed = append(changed, field.Name)
		}
	}
	return changed
}

// wish is the key of what a caller tells the layers below by the context.
type wish struct{}

// requestArrives checks that what is below gets the request that was made:
// middlewares may add fields, not take any away.
func requestArrives(e *env) {
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		ctx, cancel := context.WithTimeout(context.Background(), aFewTries)
		defer cancel()
		ctx = context.WithValue(ctx, wish{}, "wish")
		deadline, _ := ctx.Deadline()
		a := f.request(ctx)
		a.req.URL.User = url.UserPassword("user", "password")
		a.req.Host = "virtual.example.com"
		a.req.Header["X-Twice"] = []string{"1", "2"}
		a.req.Trailer = http.Header{"Sum": nil}
		seen := len(s.Calls())
		e.do(rt, a.req).finish()
		for i, call := range s.Calls()[seen:] {
			got := call.Request
			if got.Method != a.req.Method || got.URL.String() != a.req.URL.String() || got.Host != a.req.Host {
				e.failf("%s, attempt %d: arrived as %s %s for %q", where, i+1, got.Method, got.URL, got.Host)
			}
			for name, values := range a.req.Header {
				if !equal(call.Header[name], values) {
					e.failf("%s, attempt %d: the field %s arrived as %q", where, i+1, name, call.Header[name])
				}
			}
			if _, ok := got.Trailer["Sum"]; !ok {
				e.failf("%s, attempt %d: the trailer was lost", where, i+1)
			}
			if got.Context().Value(wish{}) != "wish" {
				e.failf("%s, attempt %d: the values of the context were lost", where, i+1)
			}
			if end, ok := got.Context().Deadline(); !ok || end.After(deadline) {
				e.failf("%s, attempt %d: the deadline of the context was lost", where, i+1)
			}
		}
	})
}

func equal(a, b []string) bool { return reflect.DeepEqual(a, b) }

func bodyArrives(e *env) {
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		ctx, cancel := context.WithTimeout(context.Background(), aFewTries)
		defer cancel()
		seen := len(s.Calls())
		e.do(rt, f.request(ctx).req).finish()
		for i, call := range s.Calls()[seen:] {
			if ctx.Err() == nil && !call.Unread && (call.Err != nil || call.Body != f.body) {
				e.failf("%s, attempt %d: the transport read %q and %v, want %q", where, i+1, call.Body, call.Err, f.body)
			}
			if call.Request.ContentLength != int64(len(f.body)) {
				e.failf("%s, attempt %d: ContentLength is %d", where, i+1, call.Request.ContentLength)
			}
		}
	})
}

func getBodyWorks(e *env) {
	for _, f := range forms {
		if !f.getBody {
			continue
		}
		for _, first := range []bool{true, false} {
			var got []string
			fails := 2
			rt := e.subject.New()(Func(func(req *http.Request) (*http.Response, error) {
				defer func() { _ = req.Body.Close() }()
				if !first {
					data, _ := io.ReadAll(req.Body)
					got = append(got, string(data))
				}
				if req.GetBody == nil {
					got = append(got, "nothing: GetBody is nil")
				} else if body, err := req.GetBody(); err == nil {
					data, _ := io.ReadAll(body)
					got = append(got, string(data))
					_ = body.Close()
				}
				if fails--; fails >= 0 {
					return nil, errBroken
				}
				return NewScript().answer(req, Step{}), nil
			}))
			e.do(rt, f.request(context.Background()).req).finish()
			for _, data := range got {
				if data != f.body {
					e.failf("%s: below, the body and GetBody gave %q", f.name, got)
					break
				}
			}
		}
	}
}

func noBodyStaysNone(e *env) {
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		s := NewScript(Step{Err: errBroken}, Step{Status: 503}, Step{})
		a := forms[0].request(context.Background())
		a.req.Body = body
		e.do(e.subject.New()(s), a.req).finish()
		for _, call := range s.Calls() {
			if call.Request.Body != body || call.Request.ContentLength != 0 {
				e.failf("a request with body %v went out with body %v and length %d", body, call.Request.Body, call.Request.ContentLength)
			}
		}
	}
}

func requestStreams(e *env) {
	for _, header := range []string{"", "Idempotency-Key"} {
		firstSeen := make(chan struct{})
		rt := e.subject.New()(Func(func(req *http.Request) (*http.Response, error) {
			defer func() { _ = req.Body.Close() }()
			if _, err := io.ReadFull(req.Body, make([]byte, 5)); err != nil {
				return nil, err
			}
			close(firstSeen)
			data, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			if string(data) != " second" {
				e.failf("the rest of a streamed body arrived as %q", data)
			}
			return NewScript().answer(req, Step{}), nil
		}))
		pr, pw := io.Pipe()
		go func() {
			_, _ = io.WriteString(pw, "first")
			timer := time.NewTimer(time.Hour)
			defer timer.Stop()
			select {
			case <-firstSeen:
			case <-timer.C:
				e.failf("the start of a body was not sent before its end was there")
			}
			_, _ = io.WriteString(pw, " second")
			_ = pw.Close()
		}()
		a := form{method: "POST"}.request(context.Background())
		a.req.Body, a.req.ContentLength = pr, -1
		if header != "" {
			a.req.Header.Set(header, "k")
		}
		r := e.do(rt, a.req)
		if r.err != nil {
			e.failf("sending a streamed body: %v", r.err)
		}
		_ = pr.Close()
		r.finish()
	}
}

func expectContinue(e *env) {
	for _, f := range forms {
		if f.body == "" || f.getBody {
			continue
		}
		s := NewScript(Step{Status: http.StatusExpectationFailed, Unread: true})
		a := f.request(context.Background())
		a.req.Header.Set("Expect", "100-continue")
		e.do(e.subject.New()(s), a.req).finish()
		if n := a.body.BytesRead(); n > 0 {
			e.failf("%s: %d bytes of a body were read that the transport did not ask for", f.name, n)
		}
		a.checkClosed(e, f.name)
	}
	// The same with net/http on both sides: the server refuses before it has
	// asked for the body, then accepts.
	refuse := true
	network := NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if refuse {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		data, _ := io.ReadAll(req.Body)
		_, _ = w.Write(data)
	}))
	defer network.Close()
	network.Transport.ExpectContinueTimeout = time.Hour
	rt := e.subject.New()(network.Transport)
	for _, status := range []int{http.StatusExpectationFailed, http.StatusOK} {
		a := form{method: "POST", body: strings.Repeat("x", 100)}.request(context.Background())
		a.req.Header.Set("Expect", "100-continue")
		r := e.do(rt, a.req)
		if r.err == nil && r.resp.StatusCode != status {
			e.failf("with Expect: 100-continue, want status %d, got %v", status, r.resp.Status)
		}
		if read := a.body.BytesRead(); read != 0 && (r.err != nil || status != http.StatusOK) {
			e.failf("with Expect: 100-continue and status %d, %d bytes of the body were read", status, read)
		}
		r.finish()
		refuse = false
	}
	synctest.Wait()
}
