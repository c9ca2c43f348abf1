package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
)

// maxAvatar is the largest avatar, in bytes.
const maxAvatar = 8 << 20

type newMediaInput struct {
	Body struct {
		ContentType    string `json:"contentType" minLength:"3" maxLength:"127" doc:"MIME type; the content must be of it"`
		Size           int64  `json:"size" minimum:"1" doc:"Bytes"`
		Name           string `json:"name" minLength:"1" maxLength:"255" doc:"File name, shown to people only"`
		ConversationID string `json:"conversationId,omitempty" doc:"Its members may see it"`
		Purpose        string `json:"purpose,omitempty" enum:"avatar" doc:"In place of a conversation: every signed-in user may see it"`
	}
}

// Upload says where the bytes go.
type Upload struct {
	URL     string            `json:"url" doc:"A path of this server (then with the bearer token), or absolute"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers,omitempty"`
	Parts   []Part            `json:"parts,omitempty" nullable:"false" doc:"In place of url, and better: each stretch of the content to its own, in any order, again when it failed"`
}

// Part is one stretch of an upload.
type Part struct {
	URL    string `json:"url" doc:"Absolute; takes exactly these bytes, without the bearer token, until the upload is completed"`
	Offset int64  `json:"offset" doc:"Of its first byte"`
	Size   int64  `json:"size" doc:"Bytes"`
}

type newMediaOutput struct {
	Body struct {
		ID     string `json:"id"`
		Upload Upload `json:"upload"`
	}
}

type mediaOutput struct{ Body Media }

func (a *API) mediaRoutes() {
	route(a, endpoint{
		id: "new-media", method: http.MethodPost, path: "/media", tag: "Media", summary: "Begin an upload", status: http.StatusCreated,
		description: "Send the bytes to the upload target, then complete. Where the target has parts, send each to its own address; to a path of this server, above 8 MiB parts with Content-Range are advised, so that a broken connection costs little. Unfinished uploads are dropped after a day.",
	}, a.newMedia)

	upload := endpoint{
		id: "upload-media", method: http.MethodPut, path: "/media/{mediaId}/upload", tag: "Media", summary: "Send a blob's bytes",
		description: "Whole, or in order in parts with `Content-Range: bytes first-last/size`. What came before a broken connection stays; HEAD tells how much.",
		status:      http.StatusNoContent,
	}
	op := a.mediaOperation(upload)
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	a.stream(op, a.putUpload)

	offset := endpoint{
		id: "upload-offset", method: http.MethodHead, path: "/media/{mediaId}/upload", tag: "Media", summary: "How many bytes have come",
		description: "In the header Upload-Offset; Upload-Length is the declared size.", status: http.StatusNoContent,
	}
	a.stream(a.mediaOperation(offset), a.headUpload)

	route(a, endpoint{
		id: "complete-media", method: http.MethodPost, path: "/media/{mediaId}/complete", tag: "Media", summary: "End an upload",
		description: "The content is checked against its declared type; a picture is measured and gets a thumbnail. Doing it twice is no error.",
	}, a.completeMedia)

	a.stream(a.mediaOperation(endpoint{
		id: "media", method: http.MethodGet, path: "/media/{mediaId}", tag: "Media", summary: "A blob's bytes",
		description: "Members of its conversation only; avatars: every signed-in user. Range requests are served. May redirect to where the bytes lie: follow it without the bearer token.",
		status:      http.StatusOK,
	}), func(w http.ResponseWriter, r *http.Request, c who) { a.serveMedia(w, r, c, media.Original) })

	a.stream(a.mediaOperation(endpoint{
		id: "media-thumb", method: http.MethodGet, path: "/media/{mediaId}/thumb", tag: "Media", summary: "A picture's thumbnail",
		description: "JPEG or PNG, at most 512 pixels an edge, without metadata.", status: http.StatusOK,
	}), func(w http.ResponseWriter, r *http.Request, c who) { a.serveMedia(w, r, c, media.Thumb) })
}

// mediaOperation describes a route that isn't JSON.
func (a *API) mediaOperation(e endpoint) huma.Operation {
	op := a.operation(e)
	op.Parameters = []*huma.Param{{Name: "mediaId", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}}}
	ok := &huma.Response{Description: http.StatusText(e.status)}
	if e.status == http.StatusOK {
		ok.Content = map[string]*huma.MediaType{"*/*": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	}
	op.Responses[fmt.Sprint(e.status)] = ok
	return op
}

func (a *API) newMedia(ctx context.Context, w who, in *newMediaInput) (*newMediaOutput, error) {
	b := &in.Body
	r := service.MediaRequest{Avatar: b.Purpose == "avatar", ContentType: media.CleanType(b.ContentType), Size: b.Size, Name: b.Name}
	var err error
	if r.Conversation, err = uuid("conversationId", b.ConversationID, chat.ParseConversationID); err != nil {
		return nil, err
	}
	limit := a.o.MaxMedia
	if r.Avatar {
		limit = min(limit, maxAvatar)
	}
	switch {
	case r.ContentType == "":
		return nil, chat.Invalid("contentType", "is not a MIME type")
	case r.Avatar && !media.Decodable(r.ContentType):
		return nil, chat.Invalid("contentType", "of an avatar must be image/jpeg, image/png, image/gif or image/webp")
	case r.Avatar != r.Conversation.IsZero():
		return nil, chat.Invalid("conversationId", "or purpose avatar is required, not both")
	case !plainName(b.Name):
		return nil, chat.Invalid("name", "must not have control characters or slashes")
	case b.Size > limit:
		return nil, &chat.Error{Code: chat.CodeTooLarge, Field: "size", Message: fmt.Sprintf("is over the limit of %d bytes", limit)}
	}
	m, err := a.o.Service.NewMedia(ctx, w.Caller, r)
	if err != nil {
		return nil, err
	}
	t, err := a.o.Blobs.Create(ctx, m.ID, m.Size, m.ContentType)
	if err != nil {
		return nil, blobError("begin upload", err)
	}
	out := &newMediaOutput{}
	out.Body.ID = m.ID.String()
	out.Body.Upload = Upload{URL: t.URL, Method: t.Method, Headers: t.Headers}
	for _, p := range t.Parts {
		out.Body.Upload.Parts = append(out.Body.Upload.Parts, Part{URL: p.URL, Offset: p.Offset, Size: p.Size})
	}
	if t.URL == "" {
		out.Body.Upload.URL = protocol.MediaPath(m.ID) + "/upload"
	}
	return out, nil
}

// plainName reports whether a file name is only a name. It never becomes a path here, but may in a careless client.
func plainName(s string) bool {
	if !utf8.ValidString(s) || s == "." || s == ".." {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '/' || r == '\\' || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return false // the last two: they turn the direction of text, and hide what a file's ending is
		}
	}
	return true
}

// own returns an upload of the caller.
func (a *API) own(ctx context.Context, w who, id chat.MediaID) (chat.Media, error) {
	m, err := a.o.Service.MediaFor(ctx, w.Caller, id)
	if err != nil {
		return m, err
	}
	if m.Owner != w.User {
		return m, chat.Forbidden("only its owner may upload it")
	}
	return m, nil
}

func (a *API) completeMedia(ctx context.Context, w who, in *MediaPath) (*mediaOutput, error) {
	m, err := a.own(ctx, w, in.Media)
	if err != nil {
		return nil, err
	}
	if !m.Ready {
		if m, err = a.finish(ctx, w, m); err != nil {
			return nil, err
		}
	}
	return &mediaOutput{Body: mediaView(&m)}, nil
}

// finish looks at the bytes of a complete upload and publishes it. Content that is not what it was declared as is removed.
func (a *API) finish(ctx context.Context, w who, m chat.Media) (chat.Media, error) {
	var err error
	if m.SHA256, err = a.o.Blobs.Complete(ctx, m.ID, m.Size); err != nil {
		return m, blobError("complete upload", err)
	}
	pic, err := a.examine(ctx, m)
	if chat.CodeOf(err) == chat.CodeValidation {
		if derr := a.o.Blobs.Delete(ctx, m.ID); derr != nil {
			a.o.Log.Warn("a refused upload could not be removed", "err", derr) // the sweep will
		}
		return m, err
	}
	if err != nil {
		return m, err
	}
	m.Width, m.Height = pic.Width, pic.Height
	if pic.Thumb != nil {
		if err := a.o.Blobs.PutThumb(ctx, m.ID, pic.Thumb); err != nil {
			return m, blobError("store thumbnail", err)
		}
		m.Thumb = true
	}
	m.Ready = true
	return a.o.Service.FinishMedia(ctx, w.Caller, m)
}

func (a *API) examine(ctx context.Context, m chat.Media) (media.Picture, error) {
	blob, err := a.o.Blobs.Open(ctx, m.ID, media.Original)
	if err != nil {
		return media.Picture{}, blobError("open upload", err)
	}
	defer func() { _ = blob.Close() }()
	head := make([]byte, media.SniffLen)
	n, err := io.ReadFull(blob, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return media.Picture{}, blobError("read upload", err)
	}
	if !media.Matches(m.ContentType, head[:n]) {
		return media.Picture{}, chat.Invalid("contentType", "does not match the content")
	}
	if !media.Decodable(m.ContentType) {
		return media.Picture{}, nil
	}
	if _, err := blob.Seek(0, io.SeekStart); err != nil {
		return media.Picture{}, blobError("read upload", err)
	}
	pic, err := a.pictures.Inspect(ctx, blob)
	if errors.Is(err, media.ErrPicture) {
		return pic, chat.Invalid("contentType", "does not match the content: it can't be read as %s", m.ContentType)
	}
	if err != nil {
		return pic, chat.Unavailable("inspect picture", err)
	}
	return pic, nil
}

// serveMedia sends a blob, whole or in ranges, or says where it is.
func (a *API) serveMedia(w http.ResponseWriter, r *http.Request, c who, v media.Variant) {
	id, err := chat.ParseMediaID(r.PathValue("mediaId"))
	if err != nil {
		a.fail(r, chat.Invalid("mediaId", "is not a UUID")).write(w)
		return
	}
	m, err := a.o.Service.MediaFor(r.Context(), c.Caller, id)
	if err == nil && (!m.Ready || (v == media.Thumb && !m.Thumb)) {
		err = chat.NotFound("there is no such media")
	}
	if err != nil {
		a.fail(r, err).write(w)
		return
	}
	blob, err := a.o.Blobs.Open(r.Context(), id, v)
	if err != nil {
		a.fail(r, blobError("open media", err)).write(w)
		return
	}
	defer func() { _ = blob.Close() }()
	h := w.Header()
	contentType := m.ContentType
	if v == media.Thumb {
		if contentType, err = thumbType(blob); err != nil {
			a.fail(r, blobError("read thumbnail", err)).write(w)
			return
		}
	}
	disposition := "attachment"
	if media.Inline(contentType) {
		disposition = "inline"
	}
	if d := mime.FormatMediaType(disposition, map[string]string{"filename": m.Name}); d != "" {
		disposition = d
	}
	// Only GET: the signature holds for one method.
	if blob.Redirect != nil && r.Method == http.MethodGet {
		to, err := blob.Redirect(contentType, disposition)
		if err != nil {
			a.fail(r, blobError("link to media", err)).write(w)
			return
		}
		// Not kept: asked for again each time, so that who may no longer see it doesn't.
		h.Set("Location", to)
		w.WriteHeader(http.StatusFound)
		return
	}
	// Asked for again each time, for the same reason; the body comes again only when it changed.
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	etag := base64.RawURLEncoding.EncodeToString(m.SHA256[:16])
	if v == media.Thumb {
		etag += "-t"
	}
	h.Set("ETag", `"`+etag+`"`)
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", disposition)
	http.ServeContent(&patientWriter{ResponseWriter: w, rc: http.NewResponseController(w)}, r, "", blob.ModTime, blob)
}

func thumbType(b media.Blob) (string, error) {
	if b.ContentType != "" {
		return b.ContentType, nil
	}
	head := make([]byte, 16)
	n, err := io.ReadFull(b, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	_, err = b.Seek(0, io.SeekStart)
	return http.DetectContentType(head[:n]), err
}

// blobError turns the port's failures into what a client may see.
func blobError(op string, err error) error {
	switch {
	case errors.Is(err, media.ErrNotFound):
		return chat.NotFound("there is no such upload")
	case errors.Is(err, media.ErrOffset):
		return &chat.Error{Code: chat.CodeConflict, Field: "Content-Range", Message: "does not continue what has come; see Upload-Offset", Cause: err}
	case errors.Is(err, media.ErrIncomplete):
		return &chat.Error{Code: chat.CodeValidation, Field: "size", Message: "fewer bytes have come than were declared", Cause: err}
	case errors.Is(err, media.ErrTooLarge):
		return &chat.Error{Code: chat.CodeTooLarge, Field: "size", Message: "more bytes came than were declared", Cause: err}
	case errors.Is(err, media.ErrBusy):
		return &chat.Error{Code: chat.CodeConflict, Message: "another request is uploading this", RetryAfter: time.Second, Cause: err}
	}
	return chat.Unavailable(op, err)
}
