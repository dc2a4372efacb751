// Package callback calls funcs of the program's on goroutines of ours, where
// nobody could recover from a panic: neither that nor runtime.Goexit in them may
// end the program, or the work of others.
package callback

import (
	"fmt"
	"runtime/debug"
)

// Fault is how a func has ended that did not return.
type Fault struct {
	// Value is what it has panicked with.
	Value any
	// Stack is that of the panic, as debug.Stack gives it. It is nil if the func
	// has called runtime.Goexit.
	Stack []byte
}

// Goexit reports whether the func has called runtime.Goexit.
func (f *Fault) Goexit() bool { return f.Stack == nil }

// String says what the func has done, as in "panicked: no such key".
func (f *Fault) String() string {
	if f.Goexit() {
		return "has ended its goroutine"
	}
	return Describe(f.Value)
}

// Run calls f on a goroutine of its own, which f may end, and waits for that. It
// returns nil if f has returned.
func Run(f func()) *Fault {
	ended := make(chan *Fault, 1)
	go func() {
		fault := new(Fault)
		defer func() {
			if fault != nil {
				if v := recover(); v != nil {
					fault.Value, fault.Stack = v, debug.Stack()
				}
			}
			ended <- fault
		}()
		f()
		fault = nil
	}()
	return <-ended
}

// Describe says what a func has panicked with, such as "panicked: no such key".
// Of what is neither an error nor a string it gives the type alone. It does not
// panic, even if the value does.
func Describe(value any) (text string) {
	text = fmt.Sprintf("panicked with a %T", value)
	defer func() { _ = recover() }()
	switch v := value.(type) {
	case error:
		text = "panicked: " + v.Error()
	case string:
		text = "panicked: " + v
	}
	return text
}
