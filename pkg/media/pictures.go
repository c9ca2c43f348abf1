package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // decoders register themselves
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

// Bounds of what is decoded.
const (
	// MaxPixels of a picture that is decoded; a larger one is kept without a thumbnail.
	MaxPixels = 50_000_000
	// ThumbEdge is the longest edge of a thumbnail, in pixels.
	ThumbEdge = 512
	// maxEdge of any picture: more is a mistake or an attack.
	maxEdge = 65_535
	// thumbQuality of JPEG thumbnails.
	thumbQuality = 80
)

// ErrPicture: the bytes are not a readable picture of the type they were declared as.
var ErrPicture = errors.New("media: not a readable picture")

// Picture is what a picture's bytes say. Width and Height are as it is shown, after its EXIF orientation.
type Picture struct {
	Width, Height int
	Thumb         []byte // JPEG or, with transparency, PNG; nil when it is too large to decode. Without metadata.
}

// Pictures looks into pictures, a bounded number at once: a decoded one takes up to 8 bytes a pixel.
type Pictures struct{ slots chan struct{} }

// NewPictures decodes at most atOnce pictures at a time; default 1.
func NewPictures(atOnce int) *Pictures {
	return &Pictures{slots: make(chan struct{}, max(1, atOnce))}
}

// Decodable reports whether Inspect knows a content type.
func Decodable(contentType string) bool {
	switch contentType {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return true
	}
	return false
}

// Inspect measures a picture and makes its thumbnail. ErrPicture when it can't be read. It waits while others are decoded.
func (p *Pictures) Inspect(ctx context.Context, r io.ReadSeeker) (pic Picture, err error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return Picture{}, fmt.Errorf("inspect picture: %w", ctx.Err())
	}
	// Decoders meet hostile bytes; a panic of theirs is the picture's fault.
	defer func() {
		if x := recover(); x != nil {
			pic, err = Picture{}, fmt.Errorf("%w: decoder failed", ErrPicture)
		}
	}()
	cfg, format, err := image.DecodeConfig(r)
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > maxEdge || cfg.Height > maxEdge {
		return Picture{}, ErrPicture
	}
	pic = Picture{Width: cfg.Width, Height: cfg.Height}
	turn := 1
	if format == "jpeg" {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return Picture{}, fmt.Errorf("inspect picture: %w", err)
		}
		turn = orientation(r)
	}
	if turn >= 5 {
		pic.Width, pic.Height = pic.Height, pic.Width
	}
	if int64(cfg.Width)*int64(cfg.Height) > MaxPixels {
		return pic, nil
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Picture{}, fmt.Errorf("inspect picture: %w", err)
	}
	img, _, err := image.Decode(r)
	if err != nil {
		return Picture{}, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	pic.Thumb, err = thumbnail(img, turn)
	return pic, err
}

// thumbnail scales a picture down to ThumbEdge (never up), turns it upright and encodes it.
func thumbnail(img image.Image, turn int) ([]byte, error) {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if longest := max(w, h); longest > ThumbEdge {
		w, h = max(1, w*ThumbEdge/longest), max(1, h*ThumbEdge/longest)
	}
	small := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.BiLinear.Scale(small, small.Bounds(), img, b, draw.Src, nil)
	small = upright(small, turn)
	var out bytes.Buffer
	var err error
	if small.Opaque() {
		err = jpeg.Encode(&out, small, &jpeg.Options{Quality: thumbQuality})
	} else {
		err = png.Encode(&out, small)
	}
	if err != nil {
		return nil, fmt.Errorf("encode thumbnail: %w", err)
	}
	return out.Bytes(), nil
}

// upright applies an EXIF orientation (1..8).
func upright(src *image.NRGBA, turn int) *image.NRGBA {
	if turn < 2 || turn > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dw, dh := w, h
	if turn >= 5 {
		dw, dh = h, w
	}
	dst := image.NewNRGBA(image.Rect(0, 0, dw, dh))
	for y := range h {
		for x := range w {
			var dx, dy int
			switch turn {
			case 2:
				dx, dy = w-1-x, y
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dx, dy = x, h-1-y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			dst.SetNRGBA(dx, dy, src.NRGBAAt(x, y))
		}
	}
	return dst
}
