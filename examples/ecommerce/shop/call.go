package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxAnswer is the largest answer that the shop reads, in bytes.
const maxAnswer = 1 << 20

// StatusError reports an answer whose status is not 2xx.
type StatusError struct {
	Call   string // such as "payments: charge"
	Status int
}

// Error names the call and the status, and nothing of the answer's body.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %d %s", e.Call, e.Status, http.StatusText(e.Status))
}

// request returns a request with v as its JSON body. http.NewRequest gives it a
// GetBody, so that the body can be sent again without anybody having to buffer it.
func request(ctx context.Context, method, url string, v any) (*http.Request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// do sends a request and decodes the answer into out, which may be nil.
func do(client *http.Client, req *http.Request, call string, out any) error {
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &StatusError{Call: call, Status: resp.StatusCode}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}
