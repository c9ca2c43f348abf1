package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// Verdict names a way to break a promise.
type Verdict string

// The verdicts; doc.go says which invariant each breaks.
const (
	Lost            Verdict = "lost"             // acked, but not in history
	Undelivered     Verdict = "undelivered"      // acked, but a device never received it
	Duplicate       Verdict = "duplicate"        // two history rows, or two acked ids, for one clientMessageId
	ShownTwice      Verdict = "shown_twice"      // a client that dedups showed it twice
	Disorder        Verdict = "disorder"         // rows not ascending, a reply before its parent, a sender's messages swapped
	StatusBack      Verdict = "status_back"      // a status or watermark moved backward
	StatusFalse     Verdict = "status_false"     // a status claims what did not happen
	WrongRecipient  Verdict = "wrong_recipient"  // somebody saw a message that wasn't for them
	RejectedStored  Verdict = "rejected_stored"  // a rejected message was received or stored
	AfterRevocation Verdict = "after_revocation" // a revoked device got something
	PendingLeft     Verdict = "pending_left"     // pending not empty though everything was acked
	CursorPassed    Verdict = "cursor_passed"    // a cursor passed an event that its device hasn't got
	SyncedLied      Verdict = "synced_lied"      // synced covers a message that wasn't delivered
	IDReused        Verdict = "id_reused"        // two messages with one id
	IDWentBack      Verdict = "id_went_back"     // a later message got a smaller id
	DeletedShown    Verdict = "deleted_shown"    // deleted content was given out
	Diverged        Verdict = "diverged"         // content is not what was written
	Ghost           Verdict = "ghost"            // a message that nobody sent
)

var invariants = map[Verdict]int{
	Lost: 1, Undelivered: 1, Duplicate: 2, ShownTwice: 2, Disorder: 3, StatusBack: 4, StatusFalse: 4, WrongRecipient: 5,
	RejectedStored: 6, AfterRevocation: 7, PendingLeft: 8, CursorPassed: 8, SyncedLied: 8, IDReused: 10, IDWentBack: 10,
	DeletedShown: 11, Diverged: 11, Ghost: 11,
}

// Violation is one broken promise: which one, of which message, seen by whom.
type Violation struct {
	Verdict      Verdict              `json:"verdict"`
	Invariant    int                  `json:"invariant"`
	At           int64                `json:"at"` // Unix microseconds of the event that showed it
	Conversation chat.ConversationID  `json:"conversation"`
	Message      chat.MessageID       `json:"message"`
	Client       chat.ClientMessageID `json:"client"`
	User         chat.UserID          `json:"user"` // who should or shouldn't have seen it
	Device       chat.DeviceID        `json:"device"`
	Detail       string               `json:"detail"`
}

// String is one line for people.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (invariant %d)", v.Verdict, v.Invariant)
	if v.Message != 0 {
		fmt.Fprintf(&b, " message %s", v.Message)
	}
	if !v.Client.IsZero() {
		fmt.Fprintf(&b, " client id %s", v.Client)
	}
	if !v.Conversation.IsZero() {
		fmt.Fprintf(&b, " conversation %s", v.Conversation)
	}
	if !v.User.IsZero() {
		fmt.Fprintf(&b, " user %s", v.User)
	}
	if !v.Device.IsZero() {
		fmt.Fprintf(&b, " device %s", v.Device)
	}
	if v.At != 0 {
		fmt.Fprintf(&b, " at %s", time.UnixMicro(v.At).UTC().Format("15:04:05.000"))
	}
	return b.String() + ": " + v.Detail
}

// Report is the checker's judgement.
type Report struct {
	Sent          int             `json:"sent"`     // distinct messages put on the wire
	Acked         int             `json:"acked"`    // distinct messages acknowledged as sent
	Received      int             `json:"received"` // first receipts, by device
	Repeated      int             `json:"repeated"` // further receipts of the same message by the same device (allowed)
	Rows          int             `json:"rows"`     // history rows read
	Conversations int             `json:"conversations"`
	Restarts      int             `json:"restarts"`
	Counts        map[Verdict]int `json:"counts"`
	Violations    []Violation     `json:"violations,omitempty"` // the first Options.MaxViolations
}

// OK reports whether every promise was kept.
func (r Report) OK() bool { return len(r.Counts) == 0 }

// String is a summary and the first violations.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sent %d, acked %d, received %d (+%d repeated), history rows %d, conversations %d, restarts %d: ",
		r.Sent, r.Acked, r.Received, r.Repeated, r.Rows, r.Conversations, r.Restarts)
	if r.OK() {
		b.WriteString("ok")
		return b.String()
	}
	names := make([]string, 0, len(r.Counts))
	for v := range r.Counts {
		names = append(names, string(v))
	}
	slices.Sort(names)
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %d", n, r.Counts[Verdict(n)])
	}
	for i, v := range r.Violations {
		if i == 20 {
			fmt.Fprintf(&b, "\n  … and %d more", len(r.Violations)-i)
			break
		}
		b.WriteString("\n  " + v.String())
	}
	return b.String()
}
