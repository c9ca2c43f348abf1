package chat

import "strings"

// User is an account.
type User struct {
	ID          UserID
	Username    string
	DisplayName string
	Avatar      MediaID
	Password    string // argon2id in PHC form; empty for external identities
	External    string // subject of an external identity, empty for our own
	LastSeen    int64  // Unix milliseconds
	CreatedAt   int64
}

// Device is one installation of a client.
type Device struct {
	User      UserID
	ID        DeviceID
	Name      string
	Kind      string
	CreatedAt int64
	SeenAt    int64
	Session   [32]byte // hash of the token it last connected with
	DC        string
	AckedTo   EventID // the cursor: every event up to it was acked and verified
	// Acked beyond the cursor, at most 512 ids, and the cursor they were saved with.
	AckedBeyond     []EventID
	AckedBeyondBase EventID
}

// Session is a sign-in. Only the SHA-256 of its token is stored.
type Session struct {
	TokenHash [32]byte
	User      UserID
	Device    DeviceID
	CreatedAt int64
	SeenAt    int64
	Expires   int64 // Unix milliseconds; slides
	UserAgent string
	Address   string
}

// ValidUsername says why a username is not allowed, or returns "".
func ValidUsername(s string) string {
	if len(s) < MinUsername || len(s) > MaxUsername {
		return "must have 3 to 32 characters"
	}
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
		return "may have only a-z, 0-9, _ and ."
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return "may have only a-z, 0-9, _ and ."
		}
	}
	return ""
}
