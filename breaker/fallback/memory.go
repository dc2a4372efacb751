package fallback

import (
	"bytes"
	"container/list"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Memory is what a [LastGood] remembers.
type Memory struct {
	// Keys is the number of answers.
	Keys int
	// Bytes is what they take.
	Bytes int64
	// Hidden is how many answers were not remembered because a layer below had
	// added credentials and LastGoodConfig.Partition is not set.
	Hidden uint64
}

// memory is the source of a LastGood: a list of answers in the order in which
// they came, which is that in which they go, and an index.
type memory struct {
	config  LastGoodConfig // with defaults filled in
	ignored map[string]struct{}
	secret  [32]byte
	hidden  atomic.Uint64
	digests sync.Pool // of *digest

	mu    sync.Mutex
	pages map[sum]map[sum]*list.Element // by URL, then by asker
	order list.List                     // of *entry, the newest in front
	bytes int64
	// When something was forgotten last, by a part of its hash: an answer to what
	// was asked before that must not come back when it has been read. Those that
	// share a place cost each other an answer now and then.
	forgotten [1 << 10]time.Time
}

// entry is one answer. It does not change once it is in a memory.
type entry struct {
	id           identity
	proto        string
	major, minor int
	header       http.Header
	body         []byte
	uncompressed bool
	asked        time.Time
	received     time.Time
	age          time.Duration // when it was received
	size         int64
}

func (m *memory) init() { m.pages = make(map[sum]map[sum]*list.Element) }

func (m *memory) snapshot() Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(time.Now())
	return Memory{Keys: m.order.Len(), Bytes: m.bytes, Hidden: m.hidden.Load()}
}

// get returns the answer that is remembered by id; nil if there is none.
func (m *memory) get(id identity, now time.Time) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	at := m.pages[id.url][id.asker]
	if at == nil {
		return nil
	}
	e := at.Value.(*entry)
	if now.Sub(e.received) > m.config.MaxAge {
		m.drop(at) // it was read for so long that a newer one came before it
		return nil
	}
	return e
}

// put remembers e, unless there is no room for it or a newer one is there.
func (m *memory) put(e *entry) {
	e.measure()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(time.Now())
	if e.asked.Before(*m.forgottenAt(e.id)) || e.asked.Before(*m.forgottenAt(identity{url: e.id.url})) {
		return
	}
	if at := m.pages[e.id.url][e.id.asker]; at != nil {
		if at.Value.(*entry).received.After(e.received) {
			return
		}
		m.drop(at)
	}
	if e.size > m.config.MaxBytes {
		return
	}
	for m.bytes+e.size > m.config.MaxBytes || m.order.Len() >= m.config.MaxKeys {
		m.drop(m.order.Back())
	}
	page := m.pages[e.id.url]
	if page == nil {
		page = make(map[sum]*list.Element, 1)
		m.pages[e.id.url] = page
	}
	page[e.id.asker] = m.order.PushFront(e)
	m.bytes += e.size
}

// forget drops the answer that is remembered by id, and those on their way.
func (m *memory) forget(id identity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.forgottenAt(id) = time.Now()
	if at := m.pages[id.url][id.asker]; at != nil {
		m.drop(at)
	}
}

// forgetURL drops all answers from a URL, and those on their way.
func (m *memory) forgetURL(url sum) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.forgottenAt(identity{url: url}) = time.Now()
	for _, at := range m.pages[url] {
		m.drop(at)
	}
}

// forgottenAt returns the place of when id was forgotten; one without an asker
// stands for all of them. It is called with the lock held.
func (m *memory) forgottenAt(id identity) *time.Time {
	n := binary.LittleEndian.Uint64(id.url[:]) ^ binary.LittleEndian.Uint64(id.asker[:])
	return &m.forgotten[n%uint64(len(m.forgotten))]
}

// expire drops what is too old. It is called with the lock held.
func (m *memory) expire(now time.Time) {
	for at := m.order.Back(); at != nil; at = m.order.Back() {
		if now.Sub(at.Value.(*entry).received) <= m.config.MaxAge {
			return
		}
		m.drop(at)
	}
}

// drop removes an answer. It is called with the lock held.
func (m *memory) drop(at *list.Element) {
	e := m.order.Remove(at).(*entry)
	m.bytes -= e.size
	page := m.pages[e.id.url]
	delete(page, e.id.asker)
	if len(page) == 0 {
		delete(m.pages, e.id.url)
	}
}

// newEntry makes an entry of resp, which has just arrived, without its body.
func newEntry(id identity, asked time.Time, resp *http.Response) *entry {
	now := time.Now()
	return &entry{
		id: id, proto: resp.Proto, major: resp.ProtoMajor, minor: resp.ProtoMinor,
		header: keptHeader(resp.Header), uncompressed: resp.Uncompressed,
		asked: asked, received: now, age: ageOf(resp.Header, now),
	}
}

// ageOf returns how old an answer is that has just arrived (RFC 9111, section
// 4.2.3): what its Age field says, or its Date if that says more.
func ageOf(h http.Header, now time.Time) time.Duration {
	var age time.Duration
	if n, err := strconv.ParseUint(strings.TrimSpace(h.Get("Age")), 10, 31); err == nil {
		age = time.Duration(n) * time.Second
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		age = max(age, min(now.Sub(date), longest))
	}
	return age
}

// What an entry takes besides its bytes, by the types of Go 1.26: the entry with
// its places in the list and in both maps, the map of its header, and for each
// field and value a place there.
const (
	entryOverhead = 1024
	fieldOverhead = 96
	valueOverhead = 16
)

// measure sets the size of e.
func (e *entry) measure() {
	e.size = entryOverhead + int64(cap(e.body)) + int64(len(e.proto))
	for name, values := range e.header {
		e.size += fieldOverhead + int64(len(name))
		for _, v := range values {
			e.size += valueOverhead + int64(len(v))
		}
	}
}

// response returns the answer without its body.
func (e *entry) response() *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: e.proto, ProtoMajor: e.major, ProtoMinor: e.minor,
		Header: e.header.Clone(), Body: http.NoBody, ContentLength: int64(len(e.body)), Uncompressed: e.uncompressed,
	}
}

// copier is the body of an answer that is remembered when it has been read.
type copier struct {
	io.ReadCloser
	memory *memory
	entry  *entry // nil when there is nothing left to do
	length int64  // of the body, or -1
	buf    []byte
	closed atomic.Bool
}

// Read copies what passes.
func (b *copier) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case b.entry == nil:
	case b.closed.Load():
		b.stop() // the end that comes after Close is none
	default:
		b.copy(p[:max(n, 0)], err)
	}
	return n, err
}

// Close may be called during a Read.
func (b *copier) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}

func (b *copier) copy(data []byte, err error) {
	size := int64(len(b.buf) + len(data))
	switch {
	case err != nil && err != io.EOF, //nolint:errorlint // only the bare io.EOF is an end
		b.length >= 0 && size > b.length,
		b.length >= 0 && size < b.length && err != nil:
		b.stop() // cut off, or not what was announced
	case size > b.memory.config.MaxAnswerBytes:
		// The one before is not the last any more.
		b.memory.forget(b.entry.id)
		b.stop()
	default:
		if b.buf == nil && b.length > 0 {
			// The length is the peer's word: believe it, but not with memory.
			b.buf = make([]byte, 0, min(b.length, maxGrow))
		}
		b.buf = append(b.buf, data...)
		if err != nil || size == b.length {
			b.finish()
		}
	}
}

// maxGrow is how much memory an announced length gets in advance.
const maxGrow = 32 << 10

// finish remembers the answer.
func (b *copier) finish() {
	if cap(b.buf) > len(b.buf) {
		b.buf = bytes.Clone(b.buf)
	}
	b.entry.body = b.buf
	b.memory.put(b.entry)
	b.stop()
}

func (b *copier) stop() { b.entry, b.buf = nil, nil }
