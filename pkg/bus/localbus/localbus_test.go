package localbus_test

import (
	"context"
	"testing"

	"github.com/murre-chat/murre/pkg/bus/bustest"
	"github.com/murre-chat/murre/pkg/bus/localbus"
)

func TestLocalBus(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Engine {
		b := localbus.New()
		return bustest.Engine{Bus: b, Settle: func(context.Context) error { return nil }}
	})
}
