package capacity

// Costs are what one unit of work takes. CPU is in core-seconds of the machine that was measured; a recipient's costs are
// those of each recipient of a message after the first, the first one's are the message's. A message's costs hold all
// that follows it: receptions, acks, `read`, receipts, cursors.
type Costs struct {
	ConnectionBytes float64 // memory of a gateway's process a connection, idle
	KernelBytes     float64 // and of the kernel, one end
	GatewayBytes    float64 // of a gateway without connections
	GatewayCPU      float64 // of such a gateway, a second

	MessageGatewayCPU   float64
	RecipientGatewayCPU float64
	ConnectGatewayCPU   float64
	IdleGatewayCPU      float64 // of a connection, a second

	StoreCPU, RedisCPU float64 // of a node, and of six Redis processes, while nobody is there, a second; machines have room for it

	MessageStoreCPU   float64 // every row written once; each further replica costs the same again
	RecipientStoreCPU float64
	ConnectStoreCPU   float64

	MessageRedisCPU   float64
	RecipientRedisCPU float64
	ConnectRedisCPU   float64

	MessageStatements   float64
	RecipientStatements float64
	ConnectStatements   float64
	GatewayStatements   float64 // of a gateway a second, with or without connections
	MessageTrips        float64
	RecipientTrips      float64
	ConnectTrips        float64

	MessageBytes   float64 // read and written by gateways, before TCP and IP; clients', store's and Redis's together
	RecipientBytes float64
	ConnectBytes   float64
	MessageClient  float64 // of it what clients read and write
	RecipientClient,
	ConnectClient float64

	MessageRow, ClaimRow, InboxRow float64 // bytes on a replica's disk
	SessionBytes, ClaimBytes       float64 // of Redis's memory: a connected device, a claim
}

func (c *Costs) slots() []slot {
	return []slot{
		{"connection-memory", "B", "gateway's memory of an idle connection", &c.ConnectionBytes},
		{"kernel-memory", "B", "kernel's memory of it, the server's end", &c.KernelBytes},
		{"gateway-base", "B", "a gateway without connections", &c.GatewayBytes},
		{"gateway-cpu", "s/s", "CPU of such a gateway", &c.GatewayCPU},
		{"message-gateway-cpu", "s", "gateways' CPU of a direct message", &c.MessageGatewayCPU},
		{"recipient-gateway-cpu", "s", "of each further recipient", &c.RecipientGatewayCPU},
		{"connect-gateway-cpu", "s", "of a connect", &c.ConnectGatewayCPU},
		{"idle-gateway-cpu", "s/s", "of an idle connection", &c.IdleGatewayCPU},
		{"store-cpu", "s/s", "CPU of a store node while nobody is there", &c.StoreCPU},
		{"redis-cpu", "s/s", "of six Redis processes", &c.RedisCPU},
		{"message-store-cpu", "s", "store's CPU of a direct message, one replica", &c.MessageStoreCPU},
		{"recipient-store-cpu", "s", "of each further recipient", &c.RecipientStoreCPU},
		{"connect-store-cpu", "s", "of a connect", &c.ConnectStoreCPU},
		{"message-redis-cpu", "s", "Redis's CPU of a direct message, masters and replicas", &c.MessageRedisCPU},
		{"recipient-redis-cpu", "s", "of each further recipient", &c.RecipientRedisCPU},
		{"connect-redis-cpu", "s", "of a connect", &c.ConnectRedisCPU},
		{"message-statements", "", "CQL statements of a direct message", &c.MessageStatements},
		{"recipient-statements", "", "of each further recipient", &c.RecipientStatements},
		{"connect-statements", "", "of a connect", &c.ConnectStatements},
		{"gateway-statements", "/s", "of a gateway, polls and leases", &c.GatewayStatements},
		{"message-trips", "", "Redis round trips of a direct message", &c.MessageTrips},
		{"recipient-trips", "", "of each further recipient", &c.RecipientTrips},
		{"connect-trips", "", "of a connect", &c.ConnectTrips},
		{"message-bytes", "B", "bytes in and out of gateways of a direct message", &c.MessageBytes},
		{"recipient-bytes", "B", "of each further recipient", &c.RecipientBytes},
		{"connect-bytes", "B", "of a connect", &c.ConnectBytes},
		{"message-client-bytes", "B", "of them to and from clients, of a direct message", &c.MessageClient},
		{"recipient-client-bytes", "B", "of each further recipient", &c.RecipientClient},
		{"connect-client-bytes", "B", "of a connect", &c.ConnectClient},
		{"message-row", "B", "disk of a message's row on a replica", &c.MessageRow},
		{"claim-row", "B", "of its claim's", &c.ClaimRow},
		{"inbox-row", "B", "of an event in a log", &c.InboxRow},
		{"session-memory", "B", "Redis's memory of a connected device", &c.SessionBytes},
		{"claim-memory", "B", "of a claim", &c.ClaimBytes},
	}
}
