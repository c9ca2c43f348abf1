package cqlstore

import (
	"time"

	"github.com/murre-chat/murre/pkg/store"
)

// lag is D + S: how far the horizon of the logs trails the clock.
const lag = 12 * time.Second

// deliveryState is what the ports of delivery keep in memory, all of it bounded.
type deliveryState struct{}

func (s *deliveryState) init(*DB) {}

// deliveryPorts sets the ports of messages, logs and membership.
func (d *DB) deliveryPorts(s *store.Store) {}
