package httpapi

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

// patience is how long a peer may take for the next stretch of a large body; the whole may take long.
const patience = 30 * time.Second

// putUpload receives the bytes of an upload.
func (a *API) putUpload(w http.ResponseWriter, r *http.Request, c who) {
	m, ok := a.ownUpload(w, r, c)
	if !ok {
		return
	}
	first, err := uploadRange(r, m.Size)
	if err == nil && r.ContentLength > m.Size-first {
		err = blobError("upload", media.ErrTooLarge)
	}
	if err != nil {
		a.fail(r, err).write(w)
		return
	}
	if m.Ready {
		w.Header().Set("Upload-Offset", strconv.FormatInt(m.Size, 10))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	rc := http.NewResponseController(w)
	reached, err := a.o.Blobs.Write(r.Context(), m.ID, first, m.Size, &patientReader{r: r.Body, rc: rc})
	w.Header().Set("Upload-Offset", strconv.FormatInt(reached, 10))
	if err != nil {
		if !isBlobError(err) && (gone(err) || errors.Is(err, io.ErrUnexpectedEOF)) {
			err = &chat.Error{Code: chat.CodeValidation, Message: "the upload broke off", Cause: err}
		} else {
			err = blobError("upload", err)
		}
		a.fail(r, err).write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func isBlobError(err error) bool {
	for _, e := range []error{media.ErrNotFound, media.ErrOffset, media.ErrTooLarge, media.ErrBusy, media.ErrFull} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// headUpload tells how many bytes have come.
func (a *API) headUpload(w http.ResponseWriter, r *http.Request, c who) {
	m, ok := a.ownUpload(w, r, c)
	if !ok {
		return
	}
	n := m.Size
	if !m.Ready {
		var err error
		if n, err = a.o.Blobs.Offset(r.Context(), m.ID); err != nil {
			a.fail(r, blobError("look at upload", err)).write(w)
			return
		}
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(n, 10))
	w.Header().Set("Upload-Length", strconv.FormatInt(m.Size, 10))
	w.WriteHeader(http.StatusNoContent)
}

func (a *API) ownUpload(w http.ResponseWriter, r *http.Request, c who) (chat.Media, bool) {
	id, err := chat.ParseMediaID(r.PathValue("mediaId"))
	if err != nil {
		a.fail(r, chat.Invalid("mediaId", "is not a UUID")).write(w)
		return chat.Media{}, false
	}
	m, err := a.own(r.Context(), c, id)
	if err != nil {
		a.fail(r, err).write(w)
		return chat.Media{}, false
	}
	return m, true
}

// uploadRange reads where a PUT's bytes belong: Content-Range, or from the start.
func uploadRange(r *http.Request, size int64) (int64, error) {
	s := r.Header.Get("Content-Range")
	if s == "" {
		return 0, nil
	}
	bad := chat.Invalid("Content-Range", "must be bytes first-last/size")
	rest, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, bad
	}
	span, total, ok := strings.Cut(rest, "/")
	if !ok {
		return 0, bad
	}
	from, to, ok := strings.Cut(span, "-")
	if !ok {
		return 0, bad
	}
	first, err1 := strconv.ParseUint(from, 10, 62)
	last, err2 := strconv.ParseUint(to, 10, 62)
	if err1 != nil || err2 != nil || last < first || int64(last) >= size || (total != "*" && total != strconv.FormatInt(size, 10)) {
		return 0, bad
	}
	if r.ContentLength >= 0 && r.ContentLength != int64(last-first)+1 {
		return 0, bad
	}
	return int64(first), nil
}

// patientReader moves the read deadline on while bytes come.
type patientReader struct {
	r     io.Reader
	rc    *http.ResponseController
	moved time.Time
}

func (p *patientReader) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.moved) > time.Second {
		p.moved = now
		// Without deadlines (a test's recorder) there is nothing to move.
		_ = p.rc.SetReadDeadline(now.Add(patience))
		_ = p.rc.SetWriteDeadline(now.Add(patience))
	}
	return p.r.Read(b)
}

// patientWriter moves the write deadline on while bytes go.
type patientWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	moved time.Time
}

func (p *patientWriter) Write(b []byte) (int, error) {
	p.move()
	return p.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel copy a file, a stretch at a time so that the deadline moves.
func (p *patientWriter) ReadFrom(r io.Reader) (int64, error) {
	rf, ok := p.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{p}, r)
	}
	// ServeContent hands over a LimitedReader; a limit on a limit would hide the file from the kernel.
	lr, ok := r.(*io.LimitedReader)
	if !ok {
		lr = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	const stretch = 1 << 20
	var n int64
	for lr.N > 0 {
		p.move()
		part := &io.LimitedReader{R: lr.R, N: min(stretch, lr.N)}
		want := part.N
		m, err := rf.ReadFrom(part)
		n += m
		lr.N -= m
		if err != nil || m < want {
			return n, err
		}
	}
	return n, nil
}

// Unwrap lets a ResponseController through.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *patientWriter) move() {
	if now := time.Now(); now.Sub(p.moved) > time.Second {
		p.moved = now
		_ = p.rc.SetWriteDeadline(now.Add(patience)) // without deadlines there is nothing to move
	}
}
