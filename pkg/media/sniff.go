package media

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
)

// SniffLen is how many leading bytes of a blob tell its type.
const SniffLen = 512

// CleanType reduces a declared content type to its lower-case "type/subtype" without parameters; "" when it is none.
func CleanType(declared string) string {
	if len(declared) > 127 {
		return ""
	}
	t, _, err := mime.ParseMediaType(declared)
	if err != nil {
		return ""
	}
	kind, sub, ok := strings.Cut(t, "/")
	if !ok || kind == "" || sub == "" || strings.ContainsAny(t, "*%<>\"'") {
		return ""
	}
	return t
}

// Inline reports whether a blob of this (confirmed) type may be shown by a browser in place: plain images, audio and
// video. All else, SVG and HTML first of all, is a download.
func Inline(contentType string) bool {
	switch contentType {
	case "image/jpeg", "image/png", "image/gif", "image/webp", "image/avif":
		return true
	}
	return strings.HasPrefix(contentType, "audio/") || strings.HasPrefix(contentType, "video/")
}

// Matches reports whether a blob that begins with head may be of the (clean) type it was declared as. What is shown in
// place must be recognised as such; what can be recognised must not claim to be something else.
func Matches(declared string, head []byte) bool {
	kind, _, _ := strings.Cut(declared, "/")
	found := sniff(head)
	foundKind, _, _ := strings.Cut(found, "/")
	switch {
	case declared == "application/octet-stream":
		return true
	case declared == "image/svg+xml":
		return foundKind == "text"
	case kind == "image":
		switch declared {
		case "image/jpg", "image/pjpeg":
			declared = "image/jpeg"
		case "image/avif", "image/heic", "image/heif":
			return found == isobmff
		case "image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon":
		default: // a format with a signature we don't know
			return found == unknown
		}
		return found == declared || (strings.HasSuffix(declared, "icon") && found == "image/x-icon")
	case kind == "video", kind == "audio":
		return foundKind == "video" || foundKind == "audio" || found == isobmff || found == "application/ogg"
	case declared == "application/pdf":
		return found == "application/pdf"
	case kind == "text":
		return foundKind == "text" || len(head) == 0
	}
	// Other types have no signature to hold them to, but a picture or a film is not one of them.
	return foundKind != "image" && foundKind != "video" && foundKind != "audio"
}

const (
	unknown = "application/octet-stream"
	isobmff = "application/x-isobmff" // MP4, QuickTime, M4A, AVIF, HEIC: told apart by their players
)

// sniff recognises what net/http does, and the containers that it doesn't.
func sniff(head []byte) string {
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		return isobmff
	}
	switch {
	case bytes.HasPrefix(head, []byte("fLaC")):
		return "audio/flac"
	case len(head) >= 2 && head[0] == 0xff && head[1]&0xe0 == 0xe0 && head[1]&0x18 != 0x08 && head[1] != 0xfe:
		// An MPEG audio or ADTS frame without an ID3 tag. JPEG (ff d8) lacks the sync bits; ff fe begins UTF-16 text.
		return "audio/mpeg"
	}
	t, _, _ := strings.Cut(http.DetectContentType(head), ";")
	return t
}
