package retry

import "net/http"

// ResumeHooks are told what a [Resume] decides. A nil func is not called; for an
// answer that arrives whole none is. They run on the goroutine that reads the
// body, with no lock held, and must not touch the body.
type ResumeHooks struct {
	// Resume is called when an answer has broken off, before its continuation is
	// asked for.
	Resume func(ResumeEvent)
	// GiveUp is called when an answer has broken off and is not continued, or
	// not any more, unless the caller has closed it. With it set, the answers to
	// a GET that can't be continued are watched too, at the cost of one small
	// allocation.
	GiveUp func(ResumeEvent)
}

// ResumeEvent is one decision about an answer that has broken off.
type ResumeEvent struct {
	// Request is the caller's. Read it only.
	Request *http.Request
	// Offset is how many bytes of the body have arrived.
	Offset int64
	// Err is what broke the body off.
	Err error
	// Number counts the continuations of the answer, from 1, this one included
	// (Resume), or those that were asked for (GiveUp).
	Number int
	// Reason says why the answer is not continued (GiveUp).
	Reason ResumeReason
	// Status is that of the continuation, if an answer that does not fit is the
	// reason; else 0 (GiveUp).
	Status int
	// Cause is the error of the continuation, if that is the reason; else nil
	// (GiveUp).
	Cause error
}

// ResumeReason says why an answer that broke off was not continued.
type ResumeReason int

// The reasons.
const (
	// ResumeDecompressed means: net/http has decompressed the body, so nobody
	// knows how many bytes of the original were read.
	ResumeDecompressed ResumeReason = iota + 1
	// ResumeStream means: the answer is an event stream, or already consists of
	// parts.
	ResumeStream
	// ResumeNoRanges means: the server said Accept-Ranges: none.
	ResumeNoRanges
	// ResumeNoValidator means: the answer has no strong validator.
	ResumeNoValidator
	// ResumeNotRetryable means: the error says that it would only happen again.
	ResumeNotRetryable
	// ResumeNothingMissing means: every byte had arrived before the error.
	ResumeNothingMissing
	// ResumesExhausted means: ResumeConfig.MaxResumes have been made.
	ResumesExhausted
	// ResumeCanceled means: the context has ended.
	ResumeCanceled
	// ResumeFailed means: the continuation had an error and no answer.
	ResumeFailed
	// ResumeChanged means: the representation is not the same any more.
	ResumeChanged
	// ResumeRefused means: the answer has another status than 206 or 200.
	ResumeRefused
	// ResumeMismatch means: the answer is not the part that was asked for, or
	// contradicts itself.
	ResumeMismatch
)

var resumeReasons = [...]string{
	ResumeDecompressed:   "decompressed by the transport",
	ResumeStream:         "a stream or made of parts",
	ResumeNoRanges:       "ranges not accepted",
	ResumeNoValidator:    "no strong validator",
	ResumeNotRetryable:   "not retryable",
	ResumeNothingMissing: "nothing missing",
	ResumesExhausted:     "resumes exhausted",
	ResumeCanceled:       "canceled",
	ResumeFailed:         "continuation failed",
	ResumeChanged:        "representation changed",
	ResumeRefused:        "continuation refused",
	ResumeMismatch:       "continuation does not fit",
}

// String returns the reason in a few words.
func (r ResumeReason) String() string {
	if r <= 0 || int(r) >= len(resumeReasons) {
		return "unknown"
	}
	return resumeReasons[r]
}
