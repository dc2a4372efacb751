package rttest

import (
	"regexp"
	"runtime"
	"strings"
)

var bubbleID = regexp.MustCompile(`synctest bubble \d+\]`)

// stacks returns the stacks of all goroutines but the caller's, one each.
func stacks() (caller string, others []string) {
	buf := make([]byte, 1<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	return all[0], all[1:]
}

// bubbleGoroutines returns the stacks of the goroutines of the caller's bubble
// but for the caller's own and those that run the bubble.
func bubbleGoroutines() []string {
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
