package webhook

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
)

// Event is one thing that a provider has told us. A request brings one, or
// several if the provider sends them in batches.
type Event struct {
	// Source is ReceiverConfig.Name.
	Source string
	// ID is what stays the same when the provider sends the event again, ""
	// if it has no such thing. IDSigned says whether the signature covers it:
	// if not, it is no defence against a replay.
	ID       string
	IDSigned bool
	// DeliveryID is what changes with each attempt, if the provider has it. It is
	// for logs.
	DeliveryID string
	// Type is the kind of event, in the provider's words, if it says so.
	Type string
	// Body is the event exactly as it came: the body of the request or, of a
	// batch, one element of it.
	Body []byte
	// Header is that of the request, without credentials. The events of a request
	// share it.
	Header http.Header
	// Received is when the request came.
	Received time.Time
	// Index is the place of the event in its batch, and Count how many there
	// are: 0 and 1 where there are no batches.
	Index, Count int
	// Verified is what the signature has proved about the request.
	Verified Verified
}

// Fingerprint is the SHA-256 of Body or, where the signature does not cover the
// body, of what it covers of the event beside the time.
func (e *Event) Fingerprint() [sha256.Size]byte {
	switch {
	case e.Count > 1 && e.Verified.content != nil && e.Index < len(e.Verified.content.events):
		return sha256.Sum256(e.Verified.content.events[e.Index])
	case e.Count > 1:
		return sha256.Sum256(e.Body)
	}
	return e.Verified.Fingerprint()
}

type eventsKey struct{}

// EventsFrom returns the events of the request whose context ctx is or descends
// from, nil if it did not come through [Receiver.Verify]. They must not be
// changed.
func EventsFrom(ctx context.Context) []Event {
	events, _ := ctx.Value(eventsKey{}).([]Event)
	return events
}

// events makes events of a request that was verified. Its error says what is
// wrong with the body.
func (e *engine) events(req *http.Request, body []byte, v Verified, source string, received time.Time) ([]Event, error) {
	f := e.familyOf(req)
	base := Event{
		Source:     source,
		ID:         v.id,
		IDSigned:   v.IDSigned,
		DeliveryID: e.fieldOf(req, f.delivery),
		Type:       e.fieldOf(req, f.typ),
		Body:       body,
		Header:     e.publicHeader(req.Header),
		Received:   received,
		Count:      1,
		Verified:   v,
	}
	s := &e.scheme
	if s.Batch == nil && s.ID.JSON == "" && s.Type.JSON == "" && s.DeliveryID.JSON == "" {
		return []Event{base}, nil
	}
	doc, err := parseJSON(body)
	if err != nil {
		// Not all that a provider sends is JSON: only batches must be.
		if s.Batch == nil {
			return []Event{base}, nil
		}
		return nil, err
	}
	if s.Batch == nil {
		for field, path := range map[*string]string{&base.ID: s.ID.JSON, &base.Type: s.Type.JSON, &base.DeliveryID: s.DeliveryID.JSON} {
			if path == "" {
				continue
			}
			if *field, err = doc.textsAt(path); err != nil {
				return nil, err
			}
		}
		if s.ID.JSON != "" {
			base.IDSigned = e.covers(v, s.ID)
		}
		return []Event{base}, nil
	}
	elements, err := e.split(doc)
	if err != nil {
		return nil, err
	}
	all := make([]Event, len(elements))
	for i, element := range elements {
		event := base
		event.Body, event.Index, event.Count = element, i, len(elements)
		if s.Batch.ID != "" {
			if event.ID, err = element.textsAt(s.Batch.ID); err != nil {
				return nil, err
			}
			event.IDSigned = e.covers(v, Field{JSON: s.Batch.ID})
		}
		if s.Batch.Type != "" {
			if event.Type, err = element.textsAt(s.Batch.Type); err != nil {
				return nil, err
			}
		}
		all[i] = event
	}
	return all, nil
}

// covers reports whether the signature of a request covers f. With [AnyOf] it can
// be that of another scheme, which may sign less.
func (e *engine) covers(v Verified, f Field) bool {
	return v.BodySigned || v.Scheme == e.scheme.Name && e.signs(f)
}

// familyOf returns the names by which a request was read.
func (e *engine) familyOf(req *http.Request) *family {
	for i := range e.families {
		if e.families[i].complete(req.Header) {
			return &e.families[i]
		}
	}
	return &e.families[0]
}

// fieldOf returns a field that is not signed, "" if it is not there once, or is
// not what one would expect in a log.
func (*engine) fieldOf(req *http.Request, name string) string {
	values := req.Header[name]
	if name == "" || len(values) != 1 || len(values[0]) > maxID || !visible(strings.ReplaceAll(values[0], " ", "")) {
		return ""
	}
	return values[0]
}

// publicHeader returns the header without what must not be logged.
func (e *engine) publicHeader(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
		delete(h, name)
	}
	for _, name := range e.tokens {
		delete(h, name)
	}
	return h
}
