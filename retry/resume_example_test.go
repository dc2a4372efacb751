package retry_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/retry"
)

// flakyMirror serves a file of 26 bytes, and cuts the answer off where it is
// asked for all of it.
func flakyMirror(tag string) *httptest.Server {
	const content = "abcdefghijklmnopqrstuvwxyz"
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Etag", tag)
		if req.Header.Get("Range") == "" {
			w.Header().Set("Content-Length", "26")
			_, _ = io.WriteString(w, content[:10])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, req, "alphabet.txt", time.Time{}, strings.NewReader(content))
	}))
}

// A download that survives a broken connection. Resume stands above the Policy,
// so that the request for the rest is repeated like any other.
func ExampleResume() {
	mirror := flakyMirror(`"v1"`)
	defer mirror.Close()

	resume, err := retry.NewResume(retry.ResumeConfig{Hooks: retry.ResumeHooks{
		Resume: func(e retry.ResumeEvent) { fmt.Println("broke off at byte", e.Offset) },
	}})
	if err != nil {
		panic(err)
	}
	policy, err := retry.New(retry.Config{})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: resume.Wrap(policy.Wrap(http.DefaultTransport))}

	resp, err := client.Get(mirror.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	fmt.Println(string(data), err)
	// Output:
	// broke off at byte 10
	// abcdefghijklmnopqrstuvwxyz <nil>
}

// A weak entity tag does not promise the same bytes, so the rest of the answer
// can't be asked for. The hook tells.
func ExampleResume_weakTag_incorrect() {
	mirror := flakyMirror(`W/"v1"`)
	defer mirror.Close()

	resume, err := retry.NewResume(retry.ResumeConfig{Hooks: retry.ResumeHooks{
		GiveUp: func(e retry.ResumeEvent) { fmt.Println("not continued:", e.Reason) },
	}})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: resume.Wrap(http.DefaultTransport)}

	resp, err := client.Get(mirror.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	fmt.Println(string(data), err)
	// Output:
	// not continued: no strong validator
	// abcdefghij unexpected EOF
}
