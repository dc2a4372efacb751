package redislimit_test

import (
	"context"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

// FuzzReply answers with whatever there is. Nothing panics, nobody waits beyond
// a deadline, no more slots are believed in than were asked for, and what is
// wrong is an error of the package's own type.
func FuzzReply(f *testing.F) {
	reply := func(n ...int64) []byte {
		var b []byte
		for _, v := range n {
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
		return b
	}
	f.Add(byte(0), reply(1, 0, 1, 1, 0))
	f.Add(byte(0), reply(1<<62, 0, 1, 1, 0))
	f.Add(byte(0), reply(-1, 0, 1, 1, 0))
	f.Add(byte(0), reply(1, -1<<63, 1, 1, 0))
	f.Add(byte(0), reply(0, 1<<63-1, 1, 1, 0))
	f.Add(byte(0), reply(0, 2592000000000, 1, 1, 2592000000000))
	f.Add(byte(0), reply(1, 0, -1<<63, 1<<40, -1))
	f.Add(byte(0), reply(0, 0, 1, 1, 0))
	f.Add(byte(0), reply(1, 12288, 1, 1, 0x8e8e8e8e))
	f.Add(byte(0), reply(1, 0, 1))
	f.Add(byte(1), reply(1, 0, 1, 1, 0))
	f.Add(byte(2), reply(1))
	f.Add(byte(3), []byte("OK"))
	f.Add(byte(4), []byte{})
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			var list []any
			for b := data; len(b) >= 8; b = b[8:] {
				list = append(list, int64(binary.BigEndian.Uint64(b)))
			}
			var raw any = list
			switch kind % 5 {
			case 1:
				if len(list) > 0 {
					list[len(data)%len(list)] = string(data)
				}
			case 2:
				raw = []any{list, nil, 1.5, "x", true}
			case 3:
				raw = string(data)
			case 4:
				raw = nil
			}
			var failure error
			l := newLimiter(t, nil, redislimit.Config{
				Rate: 100, Burst: 40, Mode: redislimit.FailClosed,
				Eval:  func(context.Context, string, []string, []string) (any, error) { return raw, nil },
				Hooks: redislimit.Hooks{Degraded: func(o redislimit.Outage) { failure = o.Err }},
			})
			begin := time.Now()
			sent := 0
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				err := l.Wait(ctx, "key")
				cancel()
				if err != nil {
					require.ErrorIs(t, err, redislimit.ErrLimited)
				} else {
					sent++
				}
			}
			require.LessOrEqual(t, time.Since(begin), 200*time.Second)
			s := l.Snapshot().Buckets[0]
			require.LessOrEqual(t, uint64(sent), s.Granted)
			require.LessOrEqual(t, s.Granted, s.Calls*10)
			if failure != nil {
				var e *redislimit.ReplyError
				require.ErrorAs(t, failure, &e)
			}
			synctest.Wait()
		})
	})
}
