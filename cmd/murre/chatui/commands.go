package chatui

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
)

const help = `/history [N]        N older messages              /edit [#] TEXT     change a message (the last one)
/reply # TEXT       answer message number #       /delete [#]        delete a message (the last one)
/react # EMOJI      react; without one: undo      /open NAME|ID      another conversation
/group NAME USER…   make a group and open it      /add USER…         add members
/list               your conversations            /who               who is here
/help               this                          /quit              leave (also Ctrl-C)`

// line takes a line of input: a command or a message.
func (s *Session) line(text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if !strings.HasPrefix(text, "/") {
		s.post(text, 0)
		return
	}
	if strings.HasPrefix(text, "//") {
		s.post(text[1:], 0) // a message that begins with a slash
		return
	}
	name, rest, _ := strings.Cut(text[1:], " ")
	rest = strings.TrimSpace(rest)
	var err error
	switch name {
	case "help", "?":
		for l := range strings.SplitSeq(help, "\n") {
			s.say("%s", l)
		}
	case "quit", "exit", "q":
		s.over = errQuit
	case "history":
		n := historyPage
		if rest != "" {
			if n, err = strconv.Atoi(rest); err != nil || n < 1 || n > chat.MaxHistory {
				err = fmt.Errorf("/history takes a number from 1 to %d", chat.MaxHistory)
				break
			}
		}
		s.moreHistory(n)
	case "edit", "delete", "react", "reply":
		err = s.change(name, rest)
	case "open":
		err = s.open(rest)
	case "group":
		err = s.group(strings.Fields(rest))
	case "add":
		err = s.add(strings.Fields(rest))
	case "list":
		s.list()
	case "who":
		s.who()
	default:
		err = fmt.Errorf("there is no /%s; /help lists the commands", clean(name))
	}
	if err != nil {
		s.say("%v", err)
	}
}

func (s *Session) moreHistory(n int) {
	if !s.room.hasMore {
		s.say("there are no older messages")
		return
	}
	s.room.hasMore = false // until the answer says so again
	room := s.room
	var page client.HistoryPage
	s.call(func(ctx context.Context) (err error) {
		page, err = s.o.REST.History(ctx, room.conv.ID, client.HistoryQuery{Before: room.oldest, Limit: n})
		return err
	}, func(err error) {
		if room != s.room {
			return
		}
		if err != nil {
			room.hasMore = true
			s.say("history: %s", explain(err))
			return
		}
		s.older(page)
	})
}

// target reads the number of a message off the front of a command's arguments.
func (s *Session) target(rest string, needed bool) (*entry, string, error) {
	word, tail, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(strings.TrimPrefix(word, "#"))
	if err != nil || n < 1 {
		if needed {
			return nil, "", errors.New("which message? its number stands before it, e.g. #12")
		}
		n, tail = 0, rest
	}
	e := s.room.numbered(n)
	switch {
	case e == nil && n == 0:
		return nil, "", errors.New("you have no message here yet")
	case e == nil:
		return nil, "", fmt.Errorf("there is no message #%d", n)
	case e.pending:
		return nil, "", fmt.Errorf("message #%d is not sent yet", n)
	}
	return e, strings.TrimSpace(tail), nil
}

func (s *Session) change(name, rest string) error {
	e, text, err := s.target(rest, name == "react" || name == "reply")
	if err != nil {
		return err
	}
	conv, id := s.room.conv.ID, e.msg.ID
	var do func(ctx context.Context) error
	switch name {
	case "reply":
		if text == "" {
			return errors.New("/reply # TEXT")
		}
		s.post(text, id)
		return nil
	case "edit":
		if text == "" {
			return errors.New("/edit [#] TEXT")
		}
		do = func(ctx context.Context) error { return s.c.Edit(ctx, conv, id, text) }
	case "delete":
		do = func(ctx context.Context) error { return s.c.Delete(ctx, conv, id) }
	case "react":
		do = func(ctx context.Context) error { return s.c.React(ctx, conv, id, text) }
	}
	s.call(do, func(err error) {
		if err != nil {
			s.say("/%s: %s", name, explain(err))
		}
	})
	return nil
}

func (s *Session) open(what string) error {
	if what == "" {
		return errors.New("/open NAME or /open ID")
	}
	s.enter(func(ctx context.Context) (client.Conversation, error) { return Find(ctx, s.o.REST, what) })
	return nil
}

// enter goes to another conversation.
func (s *Session) enter(find func(ctx context.Context) (client.Conversation, error)) {
	var conv client.Conversation
	var page client.HistoryPage
	var list []client.Receipt
	s.call(func(ctx context.Context) (err error) {
		if conv, err = find(ctx); err != nil {
			return err
		}
		if page, err = s.o.REST.History(ctx, conv.ID, client.HistoryQuery{Limit: historyPage}); err != nil {
			return err
		}
		list, err = s.o.REST.Receipts(ctx, conv.ID, 0)
		return err
	}, func(err error) {
		if err != nil {
			s.say("%s", explain(err))
			return
		}
		s.room = newRoom(s.room.me, conv)
		s.readTo, s.scroll = 0, 0
		s.asked = s.asked.Add(-interestFor)
		s.room.receipts(list)
		s.say("in %s %s with %d members", conv.Type, clean(s.room.title()), len(conv.Participants))
		s.older(page)
		s.view.refresh(s)
	})
}

func (s *Session) users(ctx context.Context, names []string) ([]chat.UserID, error) {
	var ids []chat.UserID
	for _, n := range names {
		u, err := FindUser(ctx, s.o.REST, n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, u.ID)
	}
	return ids, nil
}

func (s *Session) group(words []string) error {
	if len(words) < 2 {
		return errors.New("/group NAME USER…")
	}
	s.enter(func(ctx context.Context) (client.Conversation, error) {
		ids, err := s.users(ctx, words[1:])
		if err != nil {
			return client.Conversation{}, err
		}
		return s.o.REST.CreateConversation(ctx, chat.Group, words[0], ids...)
	})
	return nil
}

func (s *Session) add(names []string) error {
	if len(names) == 0 {
		return errors.New("/add USER…")
	}
	conv := s.room.conv.ID
	s.call(func(ctx context.Context) error {
		ids, err := s.users(ctx, names)
		if err != nil {
			return err
		}
		return s.o.REST.AddMembers(ctx, conv, ids...)
	}, func(err error) {
		if err != nil {
			s.say("/add: %s", explain(err))
		}
	})
	return nil
}

func (s *Session) list() {
	var page client.ConversationPage
	s.call(func(ctx context.Context) (err error) {
		page, err = s.o.REST.Conversations(ctx, "", 30)
		return err
	}, func(err error) {
		if err != nil {
			s.say("/list: %s", explain(err))
			return
		}
		for _, c := range page.Conversations {
			title := newRoom(s.room.me, c).title()
			s.say("%-8s %-24s %3d unread  %s", c.Type, clean(title), c.UnreadCount, c.ID)
		}
	})
}

func (s *Session) who() {
	for _, p := range s.room.conv.Participants {
		state := ""
		if p.User != s.room.me {
			state = "offline"
			if s.room.online[p.User] {
				state = "online"
			}
		}
		s.say("%-20s %-7s %s", s.room.name(p.User), p.Role, state)
	}
}

// FindUser returns the user of a name.
func FindUser(ctx context.Context, rest *client.REST, name string) (client.User, error) {
	found, err := rest.SearchUsers(ctx, name, 20)
	if err != nil {
		return client.User{}, fmt.Errorf("search %s: %w", name, err)
	}
	for _, u := range found {
		if u.Username == name {
			return u, nil
		}
	}
	return client.User{}, fmt.Errorf("there is no user %s", name)
}

// Find returns the conversation that a word names: its id, a group's or channel's name, or the other one's username.
func Find(ctx context.Context, rest *client.REST, what string) (client.Conversation, error) {
	if id, err := chat.ParseConversationID(what); err == nil {
		return rest.Conversation(ctx, id)
	}
	cursor := ""
	for range 10 {
		page, err := rest.Conversations(ctx, cursor, 100)
		if err != nil {
			return client.Conversation{}, fmt.Errorf("list conversations: %w", err)
		}
		for _, c := range page.Conversations {
			if c.Name == what && c.Type != chat.Direct.String() {
				return c, nil
			}
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	u, err := FindUser(ctx, rest, what)
	if err != nil {
		return client.Conversation{}, err
	}
	return rest.Direct(ctx, u.ID)
}
