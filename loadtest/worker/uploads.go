package worker

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
)

// maxUploads is how many pictures a worker uploads at once; further messages wait for their turn.
const maxUploads = 4

// uploads gives messages their pictures, beside the loop.
type uploads struct {
	w     *Worker
	ctx   context.Context // of the worker's life: uploads outlive the turn that began them
	group *errgroup.Group
	turn  chan struct{}
	http  *http.Client
	data  []byte
}

func newUploads(ctx context.Context, g *errgroup.Group, w *Worker) *uploads {
	u := &uploads{w: w, ctx: ctx, group: g, turn: make(chan struct{}, maxUploads)}
	if w.sc.Messages.MediaShare > 0 {
		u.data = picture(w.sc.Messages.MediaBytes, w.sc.Seed)
		u.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxConnsPerHost: maxUploads, MaxIdleConnsPerHost: maxUploads}}
	}
	return u
}

// picture is a PNG of noise, which takes about so many bytes.
func picture(size int, seed uint64) []byte {
	side := max(4, int(math.Sqrt(float64(size))))
	img := image.NewGray(image.Rect(0, 0, side, side))
	rng := rand.New(rand.NewPCG(seed, 3))
	for i := range img.Pix {
		img.Pix[i] = byte(rng.Uint32())
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // a buffer takes everything
	return b.Bytes()
}

// begin uploads a message's picture; the message goes on its way afterwards.
func (u *uploads) begin(s *seat, it *item, conv chat.ConversationID) {
	url := "http://" + u.w.targets[s.gateway].String()
	subject := u.w.p.Subject(u.w.user(s))
	u.group.Go(func() error {
		select {
		case u.turn <- struct{}{}:
			defer func() { <-u.turn }()
		case <-u.ctx.Done():
			return nil
		}
		media, err := u.upload(url, subject, conv)
		u.w.loop.Do(func() { u.w.uploaded(s, it, media, err) })
		return nil
	})
}

func (u *uploads) upload(url, subject string, conv chat.ConversationID) (chat.MediaID, error) {
	rest, err := client.NewREST(url, population.Token(u.w.setup.Secret, subject), u.http)
	if err != nil {
		return chat.MediaID{}, err
	}
	m, err := rest.UploadMedia(u.ctx, client.Upload{
		Conversation: conv, ContentType: "image/png", Name: "load.png", Size: int64(len(u.data)), Patience: 20 * time.Second,
	}, bytes.NewReader(u.data))
	return m.ID, err
}
