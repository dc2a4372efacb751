package ratelimit

import (
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

const (
	// maxParts and maxRoutes bound what is remembered of a key.
	maxParts  = 64
	maxRoutes = 256
	// A route whose part has changed this often gets a bucket of its own.
	maxFlips = 3
	// maxRoute is the longest name of a route, in bytes.
	maxRoute = 128
)

// parts are the buckets that a server has within a key: the resources of
// GitHub, the buckets of Discord, the partitions of the IETF draft. An answer
// tells to which of them its request belonged, so what can be known before is
// the part of the last request on the same route.
//
// Each part has a queue of its own, so that one that is spent does not hold up
// the others. Whoever has had its turn there queues at the bucket of the key as
// well, which has the limits of the Config.
type parts struct {
	mu     sync.Mutex
	routes map[string]*route
	parts  map[string]*part
	usual  *part // that most routes belong to; unknown ones are taken to do so
}

type part struct {
	name   string
	bucket *bucket
	routes int
}

type route struct {
	part  *part
	flips int
	own   bool // the part is the route's own, whatever answers say
}

// of returns the bucket that a request on a route most likely belongs to, or nil.
func (p *parts) of(name string) *bucket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.routes[name]; r != nil {
		return r.part.bucket
	}
	return p.usualLocked()
}

// most returns the bucket that most routes belong to, or nil.
func (p *parts) most() *bucket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usualLocked()
}

func (p *parts) usualLocked() *bucket {
	if p.usual == nil {
		return nil
	}
	return p.usual.bucket
}

// learn takes notice that an answer on a route has named a part, and returns its
// bucket. It returns nil where there are too many.
func (p *parts) learn(base *bucket, routeName, name string) *bucket {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.routes[routeName]
	switch {
	case r != nil && r.own:
		return r.part.bucket
	case r != nil && r.part.name == name:
		return r.part.bucket
	case r == nil && len(p.routes) >= maxRoutes:
		if at := p.parts[name]; at != nil {
			return at.bucket
		}
		return nil
	case r == nil:
		r = &route{}
	default:
		if r.flips++; r.flips >= maxFlips {
			name, r.own = " "+routeName, true // no server can name it so
		}
	}
	at := p.parts[name]
	if at == nil {
		if at = p.add(base, name); at == nil {
			return nil
		}
	}
	if r.part == nil {
		p.routes[strings.Clone(routeName)] = r
	} else {
		r.part.routes--
	}
	r.part = at
	if at.routes++; p.usual == nil || at.routes > p.usual.routes {
		p.usual = at
	}
	return at.bucket
}

func (p *parts) add(base *bucket, name string) *part {
	if len(p.parts) >= maxParts {
		return nil
	}
	name = strings.Clone(name)
	key := httpx.Key{Scheme: base.key.Scheme, Name: base.key.Name + " " + strings.TrimPrefix(name, " ")}
	at := &part{name: name, bucket: &bucket{}}
	base.limiter.initPart(&key, at.bucket)
	p.parts[name] = at
	return at
}

// all returns the buckets of the parts.
func (p *parts) all() []*bucket {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*bucket, 0, len(p.parts))
	for _, at := range p.parts {
		all = append(all, at.bucket)
	}
	return all
}

// initPart makes a zero b a bucket that has no limit but those that its server
// tells.
func (l *Limiter) initPart(key *httpx.Key, b *bucket) {
	b.limits, b.rarities, b.key = &l.unlimited, &l.none, key
}

// partOf is the part that an answer names, if it names one.
func (b *bucket) partOf(on, name string) *bucket {
	known := b.parts.Load()
	switch {
	case known == nil && name == "":
		return nil
	case name == "":
		return known.of(on)
	case known == nil:
		b.parts.CompareAndSwap(nil, &parts{routes: map[string]*route{}, parts: map[string]*part{}})
		known = b.parts.Load()
	}
	return known.learn(b, on, name)
}

// part is the name that an answer gives to the bucket of its request: Bucket, or
// what all quotas agree about.
func (s *Signal) part() string {
	if s.Bucket != "" {
		return s.Bucket
	}
	resource, partition := "", ""
	for i := range s.Quotas {
		q := &s.Quotas[i]
		if i > 0 && q.Resource != resource {
			resource = ""
			break
		}
		resource = q.Resource
	}
	if resource != "" {
		return resource
	}
	for i := range s.Quotas {
		q := &s.Quotas[i]
		if i > 0 && q.Partition != partition {
			return ""
		}
		partition = q.Partition
	}
	return partition
}

// defaultRoute is the first segment of the path.
func defaultRoute(path string) string {
	if len(path) > 1 {
		if end := strings.IndexByte(path[1:], '/'); end >= 0 {
			return path[:1+end]
		}
	}
	return path
}
