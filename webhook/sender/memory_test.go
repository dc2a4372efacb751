package sender_test

import (
	"testing"

	"github.com/holdfast-go/holdfast/webhook/sender"
	"github.com/holdfast-go/holdfast/webhook/sender/storetest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) sender.Store { return sender.NewMemory(100) })
}
