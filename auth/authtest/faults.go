package authtest

import (
	"fmt"
	"net/http"
	"strings"
)

// TokenFaults returns a table of faults of a token endpoint, each with what a
// client has to make of it when it has no token yet and repeats nothing. A test
// ranges over it:
//
//	for _, fault := range authtest.TokenFaults() {
//		t.Run(fault.Name, func(t *testing.T) { … server.Fail(fault) … })
//	}
func TokenFaults() []Fault {
	html := []string{"Content-Type", "text/html"}
	const good = `{"access_token":"fault-token","token_type":"Bearer"`
	bad := func(name, body string) Fault {
		return Fault{Name: name, Want: "protocol", Status: http.StatusOK, Body: body}
	}
	odd := func(name, member string) Fault {
		return Fault{Name: name, Want: "token", Status: http.StatusOK, Body: good + member + "}"}
	}
	status := func(name, want string, code int, header ...string) Fault {
		return Fault{Name: name, Want: want, Status: code, Header: header, Body: good + "}"}
	}
	refusal := func(name, want string, code int, body string, header ...string) Fault {
		return Fault{Name: name, Want: want, Status: code, Header: header, Body: body}
	}
	return []Fault{
		{Name: "connection refused", Want: "transient", Refuse: true},
		{Name: "connection broken", Want: "transient", Break: true},
		{Name: "answer lost", Want: "transient", Lose: true},
		{Name: "hang", Want: "transient", Hang: true},
		{Name: "truncated", Want: "transient", Status: http.StatusOK, Body: good, Cut: true},

		refusal("429", "transient", http.StatusTooManyRequests, `{}`),
		refusal("429 in seconds", "transient", http.StatusTooManyRequests, `{}`, "Retry-After", "120"),
		refusal("503 with a date", "transient", http.StatusServiceUnavailable, ``, "Retry-After", "Sat, 01 Jan 2000 00:02:00 GMT", "Date", "Sat, 01 Jan 2000 00:00:00 GMT"),
		refusal("503 for ages", "transient", http.StatusServiceUnavailable, ``, "Retry-After", "1000000000"),
		refusal("503 negative", "transient", http.StatusServiceUnavailable, ``, "Retry-After", "-5"),
		refusal("500 with a page", "transient", http.StatusInternalServerError, "<html>", html...),
		refusal("502 truncated", "transient", http.StatusBadGateway, "<html>", html...).cut(),
		refusal("400 temporarily_unavailable", "transient", http.StatusBadRequest, `{"error":"temporarily_unavailable"}`),

		refusal("400 invalid_grant", "permanent", http.StatusBadRequest, `{"error":"invalid_grant","error_description":"expired"}`),
		refusal("401 invalid_client", "permanent", http.StatusUnauthorized, `{"error":"invalid_client"}`),
		refusal("400 without an error", "permanent", http.StatusBadRequest, `{}`),
		refusal("403 with a page", "permanent", http.StatusForbidden, "<html>", html...),
		refusal("404", "permanent", http.StatusNotFound, "not found", "Content-Type", "text/plain"),

		refusal("200 page", "protocol", http.StatusOK, "<html>", html...),
		refusal("200 form-encoded", "protocol", http.StatusOK, "access_token=fault-token", "Content-Type", "application/x-www-form-urlencoded"),
		refusal("200 without a type", "protocol", http.StatusOK, good+"}", "Content-Type", ""),
		refusal("200 in UTF-16", "protocol", http.StatusOK, good+"}", "Content-Type", "application/json; charset=utf-16"),
		refusal("200 in a strange encoding", "protocol", http.StatusOK, good+"}", "Content-Encoding", "br"),
		bad("200 with a thousand members", manyMembers()),
		bad("200 empty", ""),
		bad("200 {}", "{}"),
		bad("200 null", "null"),
		bad("200 list", "["+good+"}]"),
		bad("200 with a byte order mark", "\ufeff"+good+"}"),
		bad("200 not UTF-8", good+",\"x\":\"\xff\"}"),
		bad("200 with trailing garbage", good+"}x"),
		bad("200 twice", good+"}"+good+"}"),
		bad("200 breaks off", good),
		bad("200 with an error", `{"error":"invalid_grant"}`),
		bad("200 with a token and an error", good+`,"error":"server_error"}`),
		bad("access_token empty", `{"access_token":"","token_type":"Bearer"}`),
		bad("access_token null", `{"access_token":null,"token_type":"Bearer"}`),
		bad("access_token a number", `{"access_token":7,"token_type":"Bearer"}`),
		bad("access_token with CR LF", `{"access_token":"x\r\nX-Evil: 1","token_type":"Bearer"}`),
		bad("access_token with NUL", `{"access_token":"x\u0000","token_type":"Bearer"}`),
		bad("access_token with a space", `{"access_token":"x y","token_type":"Bearer"}`),
		bad("access_token with a letter beyond ASCII", `{"access_token":"tökén","token_type":"Bearer"}`),
		bad("access_token twice", `{"access_token":"a","access_token":"b","token_type":"Bearer"}`),
		bad("access_token in capitals", `{"Access_Token":"a","token_type":"Bearer"}`),
		bad("token_type mac", `{"access_token":"a","token_type":"mac"}`),
		bad("token_type a list", `{"access_token":"a","token_type":["Bearer"]}`),
		bad("refresh_token with a line feed", good+`,"refresh_token":"a\nb"}`),
		bad("refresh_token a number", good+`,"refresh_token":7}`),
		{Name: "100 MiB", Want: "protocol", Status: http.StatusOK, Body: longText, Repeat: 100},
		{Name: "gzip bomb", Want: "protocol", Status: http.StatusOK, Body: longText, Repeat: 3, Gzip: true},
		status("header of 1 MiB", "protocol", http.StatusOK, "X-Long", longText),
		status("302", "protocol", http.StatusFound, "Location", "https://elsewhere.example/token"),
		status("303", "protocol", http.StatusSeeOther, "Location", "https://as.example/token"),
		status("307", "protocol", http.StatusTemporaryRedirect, "Location", "https://elsewhere.example/token"),
		status("308 to plain HTTP", "protocol", http.StatusPermanentRedirect, "Location", "http://as.example/token"),
		status("201", "protocol", http.StatusCreated),
		{Name: "204", Want: "protocol", Status: http.StatusNoContent},
		{Name: "304", Want: "protocol", Status: http.StatusNotModified},

		{Name: "103 first", Want: "token", Early: http.StatusEarlyHints},
		odd("expires_in missing", ``),
		odd("expires_in 0", `,"expires_in":0`),
		odd("expires_in -1", `,"expires_in":-1`),
		odd("expires_in null", `,"expires_in":null`),
		odd("expires_in a fraction", `,"expires_in":3600.5`),
		odd("expires_in a string", `,"expires_in":"3600"`),
		odd("expires_in a word", `,"expires_in":"soon"`),
		odd("expires_in 1e18", `,"expires_in":1e18`),
		odd("expires_in 1e999", `,"expires_in":1e999`),
		odd("expires_in a list", `,"expires_in":[]`),
		odd("refresh_token null", `,"refresh_token":null`),
		odd("token_type missing", ``).without(`,"token_type":"Bearer"`),
	}
}

// manyMembers returns a good answer with more members than anybody needs.
func manyMembers() string {
	var b strings.Builder
	b.WriteString(`{"access_token":"fault-token","token_type":"Bearer"`)
	for i := range 1000 {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	b.WriteString("}")
	return b.String()
}
