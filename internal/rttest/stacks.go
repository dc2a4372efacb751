package rttest

import (
	"regexp"
	"runtime"
	"strings"
	"sync"
)

var bubbleID = regexp.MustCompile(`synctest bubble \d+\]`)

// dumps are buffers to write stacks into. Some clauses look hundreds of times:
// to make and to collect a buffer each time would be most of their work.
var dumps = sync.Pool{New: func() any { return new(make([]byte, 1<<17)) }}

// stacks returns the stacks of all goroutines but the caller's, one each.
func stacks() (caller string, others []string) {
	buf := dumps.Get().(*[]byte)
	defer dumps.Put(buf)
	n := runtime.Stack(*buf, true)
	for n == len(*buf) { // cut short
		*buf = make([]byte, 2*n)
		n = runtime.Stack(*buf, true)
	}
	all := strings.Split(string((*buf)[:n]), "\n\n")
	return all[0], all[1:]
}

// Goroutines returns the stacks of the goroutines of the caller's bubble but for
// the caller's own and those that run the bubble. Unlike runtime.NumGoroutine it
// does not see the goroutines of other tests, which come and go.
func Goroutines() []string {
	self, others := stacks()
	bubble := bubbleID.FindString(self)
	var found []string
	for _, s := range others {
		header, frames, _ := strings.Cut(s, "\n")
		if strings.Contains(header, bubble) &&
			!strings.HasPrefix(frames, "internal/synctest.Run") &&
			!strings.HasPrefix(frames, "testing/synctest.testingSynctestTest") {
			found = append(found, s)
		}
	}
	return found
}

// blockedOnLock reports whether a goroutine that runs marker waits for a mutex.
func blockedOnLock(marker string) bool {
	_, others := stacks()
	for _, s := range others {
		header, frames, _ := strings.Cut(s, "\n")
		if strings.Contains(frames, marker) &&
			(strings.Contains(header, "[sync.") || strings.Contains(header, "[semacquire")) {
			return true
		}
	}
	return false
}
