package operate

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// maxBody bounds requests to the handler.
const maxBody = 64 << 10

// Handler serves an Operator under /operate/ to whoever has the key.
func Handler(op Operator, key string, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /operate/users", func(w http.ResponseWriter, r *http.Request) {
		var u NewUser
		answer(w, r, log, &u, func(ctx context.Context) (any, error) { return op.AddUser(ctx, u) })
	})
	mux.HandleFunc("POST /operate/tokens", func(w http.ResponseWriter, r *http.Request) {
		var u NewUser
		answer(w, r, log, &u, func(ctx context.Context) (any, error) { return op.Token(ctx, u.Username) })
	})
	mux.HandleFunc("GET /operate/trace/{message}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, log, nil, func(ctx context.Context) (any, error) {
			var m chat.MessageID
			if err := m.UnmarshalText([]byte(r.PathValue("message"))); err != nil {
				return nil, chat.Invalid("message", "%v", err)
			}
			var c chat.ConversationID
			if s := r.URL.Query().Get("conversation"); s != "" {
				if err := c.UnmarshalText([]byte(s)); err != nil {
					return nil, chat.Invalid("conversation", "%v", err)
				}
			}
			return op.Trace(ctx, m, c)
		})
	})
	mux.HandleFunc("POST /operate/backup", func(w http.ResponseWriter, r *http.Request) {
		var b Backup
		answer(w, r, log, &b, func(ctx context.Context) (any, error) { return op.Backup(ctx, b.Folder) })
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if key == "" || subtle.ConstantTimeCompare([]byte(given), []byte(key)) != 1 {
			write(w, http.StatusUnauthorized, problem{Code: chat.CodeUnauthenticated.String(), Message: "the key is in the data folder, in " + placeName})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// problem is an error on the wire between Handler and Remote.
type problem struct {
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

func answer(w http.ResponseWriter, r *http.Request, log *slog.Logger, in any, do func(context.Context) (any, error)) {
	if in != nil {
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(in); err != nil {
			write(w, http.StatusBadRequest, problem{Code: chat.CodeInvalidJSON.String(), Message: err.Error()})
			return
		}
	}
	out, err := do(r.Context())
	if err == nil {
		write(w, http.StatusOK, out)
		return
	}
	var ce *chat.Error
	if errors.As(err, &ce) {
		write(w, ce.Code.HTTPStatus(), problem{Code: ce.Code.String(), Field: ce.Field, Message: ce.Message})
		return
	}
	// Whoever has the key may see what went wrong.
	log.Error("operator's command failed", "path", r.URL.Path, "err", err)
	write(w, http.StatusInternalServerError, problem{Code: chat.CodeInternal.String(), Message: err.Error()})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the other end is gone: nobody to tell
}

// Remote is an Operator at a running server's admin port.
type Remote struct {
	place Place
	http  *http.Client
}

var _ Operator = (*Remote)(nil)

// NewRemote returns the Operator of a place.
func NewRemote(p Place) *Remote {
	return &Remote{place: p, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 30 * time.Minute}}}
}

// AddUser implements Operator.
func (r *Remote) AddUser(ctx context.Context, u NewUser) (out User, err error) {
	return out, r.call(ctx, "POST", "/operate/users", u, &out)
}

// Token implements Operator.
func (r *Remote) Token(ctx context.Context, username string) (out Token, err error) {
	return out, r.call(ctx, "POST", "/operate/tokens", NewUser{Username: username}, &out)
}

// Trace implements Operator.
func (r *Remote) Trace(ctx context.Context, m chat.MessageID, c chat.ConversationID) (*Trace, error) {
	path := "/operate/trace/" + url.PathEscape(m.String())
	if !c.IsZero() {
		path += "?conversation=" + c.String()
	}
	var out Trace
	if err := r.call(ctx, "GET", path, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Backup implements Operator.
func (r *Remote) Backup(ctx context.Context, to string) (out Backup, err error) {
	return out, r.call(ctx, "POST", "/operate/backup", Backup{Folder: to}, &out)
}

func (r *Remote) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("operate: encode: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.place.Admin+path, body)
	if err != nil {
		return fmt.Errorf("operate: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+r.place.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the running server (pid %d, admin port %s): %w", r.place.PID, r.place.Admin, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var p problem
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&p); err != nil || p.Message == "" {
			return fmt.Errorf("the running server (pid %d) answered %s", r.place.PID, resp.Status)
		}
		if p.Field != "" {
			p.Message = p.Field + " " + p.Message
		}
		return errors.New(p.Message)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("operate: decode the answer: %w", err)
	}
	return nil
}
