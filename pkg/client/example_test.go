package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
)

// An application signs in, stays connected, stores what comes, and sends.
func Example() {
	ctx := context.Background()
	rest, err := client.NewREST("http://127.0.0.1:8080", "", nil)
	if err != nil {
		log.Fatal(err)
	}
	account, err := rest.Login(ctx, "alice", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	rest = rest.WithToken(account.Token)

	c, err := client.Dial(ctx, client.Options{
		URL: "http://127.0.0.1:8080", Token: account.Token,
		// Device: keep one id for each installation, so that the server knows what this device has had.
		Handler: client.HandlerFunc(func(ctx context.Context, e *client.Event) error {
			switch {
			case e.Message != nil:
				fmt.Println(e.Message.Sender, e.Message.Content) // store it: nil acknowledges
			case e.Status != nil:
				fmt.Println(e.Status.Message, e.Status.Status)
			case e.Gap != nil:
				fmt.Println("away too long: drop the cache and read the history")
			}
			return nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	found, err := rest.SearchUsers(ctx, "bob", 1)
	if err != nil || len(found) == 0 {
		log.Fatal("no bob: ", err)
	}
	conv, err := rest.Direct(ctx, found[0].ID)
	if err != nil {
		log.Fatal(err)
	}
	m, err := c.Send(ctx, client.Outgoing{Conversation: conv.ID, Content: "hello"})
	if err != nil {
		log.Fatal(err) // a *chat.Error when the server said no
	}
	fmt.Println("sent as", m.ID)
}

// Posts go out in order without waiting; the answers come later.
func ExampleClient_Post() {
	var (
		c    *client.Client
		conv chat.ConversationID
	)
	var waiting []*client.Delivery
	for i := range 100 {
		d, err := c.Post(client.Outgoing{Conversation: conv, Content: fmt.Sprint("line ", i)})
		if err != nil {
			log.Fatal(err)
		}
		waiting = append(waiting, d)
	}
	for _, d := range waiting {
		if _, err := d.Wait(context.Background()); err != nil {
			log.Println(d.ClientMessageID(), err)
		}
	}
}
