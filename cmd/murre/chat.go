package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/murre-chat/murre/cmd/murre/chatui"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
)

type chatFlags struct {
	url, user, password, token, to, conversation, device string
	stay                                                 bool
}

func newChat() *cobra.Command {
	var f chatFlags
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Chat in the terminal",
		Long: `Opens a conversation in the terminal: history, what you type, what the others say, who types and who is online. Behind your
own messages stands how far they have come: … on the way, ✓ sent (stored durably), ✓✓ delivered, ✓✓ read.

Commands inside: /history /reply /edit /delete /react /open /group /add /list /who /help /quit; a message that begins with a
slash is typed with two. Into a pipe it prints plain lines, and sends what it reads, line by line; it ends when everything
it read was answered (--stay: when it is stopped).

Without --password or --token the password is asked for. One terminal is one device: a second murre chat of the same user on
the same machine takes over from the first, unless it has a --device of its own.`,
		Example: `  murre chat --url http://127.0.0.1:8080 --user alice --to bob
  echo "the build is green" | MURRE_TOKEN=$(murre token robot) murre chat --to alice`,
		Args: args(cobra.NoArgs),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.url, "url", env("MURRE_URL", "http://127.0.0.1:8080"), "the server (also MURRE_URL)")
	fs.StringVar(&f.user, "user", os.Getenv("MURRE_USER"), "your username (also MURRE_USER)")
	fs.StringVar(&f.password, "password", "", "your password (better: MURRE_PASSWORD, or leave it out and be asked)")
	fs.StringVar(&f.token, "token", "", "a session token in place of username and password (better: MURRE_TOKEN)")
	fs.StringVar(&f.to, "to", "", "open the conversation with this user, or the group of this name")
	fs.StringVar(&f.conversation, "conversation", "", "open the conversation of this id; without --to and this: the latest")
	fs.StringVar(&f.device, "device", "", "UUID of the device to be; made of machine, server and user when not given")
	fs.BoolVar(&f.stay, "stay", false, "from a pipe: go on after its end, until stopped")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runChat(cmd, f) }
	return cmd
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func runChat(cmd *cobra.Command, f chatFlags) error {
	ctx := cmd.Context()
	rest, end, err := signIn(cmd, f)
	if err != nil {
		return err
	}
	defer end()
	conv, err := pickConversation(ctx, rest, f)
	if err != nil {
		return err
	}
	me, err := rest.Me(ctx)
	if err != nil {
		return fmt.Errorf("who am I: %w", err)
	}
	device := terminalDevice(f.url, me.ID)
	if f.device != "" {
		if device, err = chat.ParseDeviceID(f.device); err != nil {
			return usagef("--device: %w", err)
		}
	}
	o := chatui.Options{
		Client: client.Options{URL: f.url, Token: rest.Token(), Device: device, Header: http.Header{"User-Agent": {"murre chat"}}},
		REST:   rest, Conv: conv, Out: cmd.OutOrStdout(), Lines: cmd.InOrStdin(), Stay: f.stay,
	}
	in, inTTY := cmd.InOrStdin().(*os.File)
	out, outTTY := cmd.OutOrStdout().(*os.File)
	if !inTTY || !outTTY || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return chatui.New(o).Run(ctx)
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	chatui.Enter(out)
	defer func() {
		chatui.Leave(out)
		_ = term.Restore(int(in.Fd()), before) // nothing better to do than to try
	}()
	o.Keys = in
	o.Size = func() (int, int) {
		cols, rows, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return 80, 24
		}
		return cols, rows
	}
	return chatui.New(o).Run(ctx)
}

// signIn returns a REST client with a token, and what ends the sign-in that was made for it, if one was.
func signIn(cmd *cobra.Command, f chatFlags) (*client.REST, func(), error) {
	rest, err := client.NewREST(f.url, "", nil)
	if err != nil {
		return nil, nil, usageError{err}
	}
	if f.token == "" && f.password == "" {
		f.token = os.Getenv("MURRE_TOKEN")
	}
	if f.token != "" {
		return rest.WithToken(f.token), func() {}, nil
	}
	if f.user == "" {
		return nil, nil, usagef("who are you? --user and --password, or --token")
	}
	if f.password == "" {
		f.password = os.Getenv("MURRE_PASSWORD")
	}
	if f.password == "" {
		in, ok := cmd.InOrStdin().(*os.File)
		if !ok || !term.IsTerminal(int(in.Fd())) {
			return nil, nil, usagef("no password: give --password or MURRE_PASSWORD, or a --token")
		}
		if f.password, err = askPassword(in, cmd.ErrOrStderr(), false); err != nil {
			return nil, nil, err
		}
	}
	account, err := rest.Login(cmd.Context(), f.user, f.password)
	if err != nil {
		return nil, nil, fmt.Errorf("sign in at %s: %w", f.url, err)
	}
	rest = rest.WithToken(account.Token)
	return rest, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = rest.Logout(ctx) // a session left behind ends by itself
	}, nil
}

func pickConversation(ctx context.Context, rest *client.REST, f chatFlags) (client.Conversation, error) {
	what := f.to
	if f.conversation != "" {
		if _, err := chat.ParseConversationID(f.conversation); err != nil {
			return client.Conversation{}, usagef("--conversation: %w", err)
		}
		what = f.conversation
	}
	if what != "" {
		return chatui.Find(ctx, rest, what)
	}
	page, err := rest.Conversations(ctx, "", 1)
	if err != nil {
		return client.Conversation{}, fmt.Errorf("list conversations: %w", err)
	}
	if len(page.Conversations) == 0 {
		return client.Conversation{}, usageError{errors.New("with whom? you have no conversation yet: --to USER")}
	}
	return page.Conversations[0], nil
}

// terminalDevice names this machine's terminal as a device of a user: always the same one, so that no new device is made
// on every start.
func terminalDevice(url string, user chat.UserID) chat.DeviceID {
	host, err := os.Hostname()
	if err != nil {
		host = "somewhere"
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "murre chat\x00%s\x00%d\x00%s\x00%s", host, os.Getuid(), url, user))
	var d chat.DeviceID
	copy(d[:], sum[:])
	d[6], d[8] = d[6]&0x0f|0x80, d[8]&0x3f|0x80
	return d
}
