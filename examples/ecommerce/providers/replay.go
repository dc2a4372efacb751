package providers

import (
	"encoding/json"
	"net/http"
)

// answer is what a provider says: a status and a JSON body.
type answer struct {
	status int
	body   []byte
}

// reply returns an answer with v as its body. v is one of this package's own structs
// of strings and numbers, which always encode.
func reply(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return answer{status, body}
}

// problem is the body of an answer that reports an error.
type problem struct {
	Error string `json:"error"`
}

func refuse(status int, why string) answer { return reply(status, problem{why}) }

// replays keeps the answer to each idempotency key and gives it again instead of
// doing the work again. Its provider's lock guards it.
type replays map[string]replayed

type replayed struct {
	request any
	answer  answer
}

// once does the work, or returns the answer that the key got before. A call without
// a key always works. The request must be comparable: a key that comes back with
// another request is a mistake of the caller, and is refused.
func (m replays) once(key string, request any, work func() answer) answer {
	if key == "" {
		return work()
	}
	before, ok := m[key]
	if !ok {
		a := work()
		m[key] = replayed{request, a}
		return a
	}
	if before.request != request {
		return refuse(http.StatusUnprocessableEntity, "this idempotency key belongs to another request")
	}
	return before.answer
}
