package chatui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Times of the screen.
const (
	typingFor   = 3 * time.Second // how long somebody's typing shows
	typingEvery = 2 * time.Second // how often ours is told
	interestFor = 4 * time.Minute // presence is asked for again
	tick        = 250 * time.Millisecond
	callTimeout = 15 * time.Second
	historyPage = 30
)

// Options of a Session. All but Keys are required.
type Options struct {
	Client client.Options // URL, Token and Device; the session sets the rest
	REST   *client.REST
	Conv   client.Conversation
	// Lines are what is read from a pipe; Keys is what is typed on a terminal. One of them.
	Lines io.Reader
	Keys  io.Reader
	Out   io.Writer
	// Size returns a terminal's columns and rows.
	Size func() (cols, rows int)
	// Stay keeps a session from a pipe open after the pipe's end, until ctx ends.
	Stay bool
	Now  func() time.Time
}

// view shows a room.
type view interface {
	// entry shows a new entry, or that one changed.
	entry(s *Session, e *entry, fresh bool)
	// refresh shows that anything else changed: typing, presence, the connection.
	refresh(s *Session)
}

// Session is one open chat.
type Session struct {
	o       Options
	c       *client.Client
	room    *room
	view    view
	editor  *editor // terminals only
	scroll  int     // rows scrolled up
	todo    chan func()
	ended   chan struct{}
	end     func() // closes ended
	state   string // of the connection, when it is not as it should be
	readTo  chat.MessageID
	typedAt time.Time
	typing  bool
	asked   time.Time
	waiting int // requests under way
	eof     bool
	over    error // why the session ends; errQuit: as wished
}

var errQuit = errors.New("quit")

// New makes a session; Run does the rest.
func New(o Options) *Session {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Session{o: o, todo: make(chan func(), 64), ended: make(chan struct{}), state: "connecting"}
	s.end = sync.OnceFunc(func() { close(s.ended) })
	if o.Keys != nil {
		s.editor = &editor{}
		s.view = &screen{out: o.Out, size: o.Size}
	} else {
		s.view = &lines{out: o.Out}
	}
	return s
}

// Run connects and chats until the user quits, the input ends, or ctx ends.
func (s *Session) Run(ctx context.Context) error {
	defer s.end()
	co := s.o.Client
	co.Handler = client.HandlerFunc(s.handle)
	co.OnState = func(connected bool, err error) {
		s.later(func() { s.connection(connected, err) })
	}
	me, err := s.o.REST.Me(ctx)
	if err != nil {
		return fmt.Errorf("who am I: %w", err)
	}
	s.room = newRoom(me.ID, s.o.Conv)
	if err := s.loadHistory(ctx); err != nil {
		return err
	}
	c, err := client.New(co)
	if err != nil {
		return err
	}
	s.c = c
	run, stop := context.WithCancel(ctx)
	client := make(chan error, 1)
	go func() { client <- c.Run(run) }()
	defer func() {
		stop()
		s.end() // lets go of whoever waits for the loop, the client's goroutine among them
		<-client
	}()
	go s.read(run)

	t := time.NewTicker(tick)
	defer t.Stop()
	s.view.refresh(s)
	for s.over == nil {
		select {
		case <-ctx.Done():
			return nil
		case f := <-s.todo:
			f()
		case err := <-client:
			client <- err
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("disconnected: %w", err)
		case <-t.C:
			s.tick()
		}
		if s.eof && s.waiting == 0 && !s.o.Stay {
			return nil
		}
	}
	if errors.Is(s.over, errQuit) {
		return nil
	}
	return s.over
}

// later has the loop call f, unless the session has ended.
func (s *Session) later(f func()) {
	select {
	case s.todo <- f:
	case <-s.ended:
	}
}

// handle takes an event of the connection; it returns when the event was shown, which is when it is acknowledged.
func (s *Session) handle(ctx context.Context, e *client.Event) error {
	done := make(chan struct{})
	s.later(func() {
		s.event(e)
		close(done)
	})
	select {
	case <-done:
		return nil
	case <-s.ended:
		return client.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call runs a request on a goroutine of its own; then runs on the loop with its outcome.
func (s *Session) call(do func(ctx context.Context) error, then func(error)) {
	s.waiting++
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		defer cancel()
		err := do(ctx)
		s.later(func() {
			s.waiting--
			then(err)
		})
	}()
}

func (s *Session) connection(connected bool, err error) {
	switch {
	case connected:
		s.state = ""
		s.asked = time.Time{}
	case err != nil:
		s.state = "not connected: " + err.Error()
	default:
		s.state = "not connected"
	}
	s.view.refresh(s)
}

func (s *Session) say(format string, args ...any) {
	s.view.entry(s, s.room.say(fmt.Sprintf(format, args...), s.o.Now()), true)
}

// event takes in what the server says.
func (s *Session) event(e *client.Event) {
	switch {
	case e.Message != nil:
		s.message(e)
	case e.Status != nil:
		if e.Status.Conversation == s.room.conv.ID {
			s.room.status(e.Status)
			s.progressed()
		}
	case e.Typing != nil:
		if e.Typing.Conversation == s.room.conv.ID && e.Typing.User != s.room.me {
			if s.room.names[e.Typing.User] == "" {
				s.room.names[e.Typing.User] = e.Typing.Username
			}
			delete(s.room.typing, e.Typing.User)
			if e.Typing.On {
				s.room.typing[e.Typing.User] = s.o.Now().Add(typingFor)
			}
			s.view.refresh(s)
		}
	case e.Presence != nil:
		s.room.online[e.Presence.User] = e.Presence.Status == "online"
		s.view.refresh(s)
	case e.Edited != nil:
		if m := s.room.find(e.Edited.Message); m != nil && e.Edited.Conversation == s.room.conv.ID {
			m.msg.Content, m.msg.EditedAt = e.Edited.Content, e.Edited.EditedAt
			s.view.entry(s, m, false)
		}
	case e.Deleted != nil:
		if m := s.room.find(e.Deleted.Message); m != nil && e.Deleted.Conversation == s.room.conv.ID {
			m.msg.Deleted, m.msg.Content, m.msg.Media = true, "", nil
			s.view.entry(s, m, false)
		}
	case e.Reaction != nil:
		s.reaction(e.Reaction)
	case e.Conversation != nil:
		s.changed(e.Conversation)
	case e.Welcome != nil, e.Gap != nil:
		s.refetch(e.Gap != nil)
	case e.Error != nil:
		s.say("%s", explain(e.Error))
	}
}

func (s *Session) message(e *client.Event) {
	m := *e.Message
	if m.Conversation != s.room.conv.ID {
		if m.Sender != s.room.me {
			s.say("a message in another conversation: /open %s", m.Conversation)
		}
		return
	}
	if e.Replaces != 0 {
		s.room.entries = slices.DeleteFunc(s.room.entries, func(o *entry) bool { return o.number != 0 && o.msg.ID == e.Replaces })
	}
	if s.room.names[m.Sender] == "" {
		s.people()
	}
	entry, fresh := s.room.add(m)
	s.view.entry(s, entry, fresh)
	s.progressed()
}

// progressed shows what the statuses of own messages have become.
func (s *Session) progressed() {
	for _, e := range s.room.entries {
		if e.number == 0 || e.pending || e.msg.Sender != s.room.me || e.shown == chat.Read {
			continue
		}
		s.view.entry(s, e, false)
	}
}

func (s *Session) reaction(r *protocol.ReactionPayload) {
	m := s.room.find(r.Message)
	if m == nil || r.Conversation != s.room.conv.ID {
		return
	}
	m.msg.Reactions = slices.DeleteFunc(slices.Clone(m.msg.Reactions), func(o protocol.MemberReaction) bool { return o.User == r.User })
	if r.Emoji != "" {
		m.msg.Reactions = append(m.msg.Reactions, protocol.MemberReaction{User: r.User, Emoji: r.Emoji})
	}
	s.view.entry(s, m, false)
}

func (s *Session) changed(c *protocol.ConversationPayload) {
	if c.Conversation != s.room.conv.ID {
		if c.Change == "created" || (c.Change == "member_added" && c.User == s.room.me) {
			s.say("you are in %s %s: /open %s", c.Kind, clean(c.Name), c.Conversation)
		}
		return
	}
	who := s.room.name(c.Actor)
	switch c.Change {
	case "renamed":
		s.say("%s named this conversation %s", who, clean(c.Name))
	case "member_added":
		s.say("%s added %s", who, s.room.name(c.User))
	case "member_removed":
		s.say("%s removed %s", who, s.room.name(c.User))
	case "member_role":
		s.say("%s made %s %s", who, s.room.name(c.User), c.Role)
	case "left":
		s.say("%s left", s.room.name(c.User))
	}
	s.people()
}

// people asks who is in the conversation now.
func (s *Session) people() {
	var conv client.Conversation
	s.call(func(ctx context.Context) (err error) {
		conv, err = s.o.REST.Conversation(ctx, s.room.conv.ID)
		return err
	}, func(err error) {
		if err == nil && conv.ID == s.room.conv.ID {
			s.room.learn(conv)
			s.view.refresh(s)
		}
	})
}

// refetch repairs statuses whose pushes were lost, and after a gap the history too.
func (s *Session) refetch(history bool) {
	conv := s.room.conv.ID
	var list []client.Receipt
	var page client.HistoryPage
	s.call(func(ctx context.Context) (err error) {
		if list, err = s.o.REST.Receipts(ctx, conv, 0); err == nil && history {
			page, err = s.o.REST.History(ctx, conv, client.HistoryQuery{Limit: historyPage})
		}
		return err
	}, func(err error) {
		if err != nil || conv != s.room.conv.ID {
			return
		}
		s.room.receipts(list)
		for _, m := range page.Messages {
			e, fresh := s.room.add(m)
			s.view.entry(s, e, fresh)
		}
		s.progressed()
	})
}

func (s *Session) loadHistory(ctx context.Context) error {
	page, err := s.o.REST.History(ctx, s.room.conv.ID, client.HistoryQuery{Limit: historyPage})
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	list, err := s.o.REST.Receipts(ctx, s.room.conv.ID, 0)
	if err != nil {
		return fmt.Errorf("receipts: %w", err)
	}
	s.room.receipts(list)
	s.older(page)
	return nil
}

func (s *Session) older(page client.HistoryPage) {
	s.room.hasMore = page.HasMore
	for _, m := range page.Messages {
		e, fresh := s.room.add(m)
		s.view.entry(s, e, fresh)
	}
}

// post sends a message to the conversation.
func (s *Session) post(content string, reply chat.MessageID) {
	key := chat.NewClientMessageID(s.o.Now())
	e := s.room.post(key, content, reply, s.o.Now())
	s.view.entry(s, e, true)
	s.scroll, s.typing, s.typedAt = 0, false, time.Time{}
	d, err := s.c.Post(client.Outgoing{Conversation: s.room.conv.ID, Content: content, ContentType: chat.Text, ReplyTo: reply, ClientMessageID: key})
	if err != nil {
		e.failed = err.Error()
		s.view.entry(s, e, false)
		return
	}
	s.waiting++
	room := s.room
	go func() {
		m, err := d.Wait(context.Background()) // ends with the client
		s.later(func() {
			s.waiting--
			if err != nil {
				e.failed = explain(err)
				s.view.entry(s, e, false)
				return
			}
			e.failed = ""
			if m.Conversation == room.conv.ID {
				room.add(m)
			}
			if room == s.room {
				s.view.entry(s, e, false)
			}
		})
	}()
}

// tick does what time asks for: reading, typing's end, presence.
func (s *Session) tick() {
	now := s.o.Now()
	if s.state == "" {
		if last := s.room.lastOther(); last > s.readTo && s.c.Read(s.room.conv.ID, last) == nil {
			s.readTo = last
		}
		if now.Sub(s.asked) > interestFor {
			if others := s.room.others(); len(others) > 0 && s.c.Presence(others[:min(len(others), chat.MaxPresenceUsers)]...) == nil {
				s.asked = now
			}
		}
	}
	if s.typing && now.Sub(s.typedAt) > typingEvery+time.Second {
		s.typing = false
	}
	gone := false
	for u, until := range s.room.typing {
		if now.After(until) {
			delete(s.room.typing, u)
			gone = true
		}
	}
	if gone {
		s.view.refresh(s)
	}
}

// touched tells the others that the user types, at most every two seconds.
func (s *Session) touched() {
	now := s.o.Now()
	text := ""
	if s.editor != nil {
		text = string(s.editor.text)
	}
	switch {
	case text == "" && s.typing:
		s.typing = false
		_ = s.c.Typing(s.room.conv.ID, false) // best effort
	case text != "" && !strings.HasPrefix(text, "/") && now.Sub(s.typedAt) >= typingEvery:
		if s.c.Typing(s.room.conv.ID, true) == nil {
			s.typing, s.typedAt = true, now
		}
	}
}

// explain prints an error for people.
func explain(err error) string {
	var e *chat.Error
	if errors.As(err, &e) {
		text := e.Message
		if e.Field != "" {
			text = e.Field + ": " + text
		}
		if e.RetryAfter > 0 {
			text += fmt.Sprintf(" (again in %s)", e.RetryAfter.Round(time.Second))
		}
		return text
	}
	return err.Error()
}
