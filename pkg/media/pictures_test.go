package media

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
)

// corner is red in its top left quarter, blue elsewhere.
func corner(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{B: 255, A: 255}
			if x < w/2 && y < h/2 {
				c = color.NRGBA{R: 255, A: 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// withExif puts an APP1 segment with an orientation behind a JPEG's start.
func withExif(jpg []byte, o binary.ByteOrder, turn uint16) []byte {
	tiff := make([]byte, 8+2+12+4)
	copy(tiff, "II")
	if o == binary.BigEndian {
		copy(tiff, "MM")
	}
	o.PutUint16(tiff[2:], 42)
	o.PutUint32(tiff[4:], 8)
	o.PutUint16(tiff[8:], 1)
	o.PutUint16(tiff[10:], 0x0112)
	o.PutUint16(tiff[12:], 3)
	o.PutUint32(tiff[14:], 1)
	o.PutUint16(tiff[18:], turn)
	seg := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte((len(seg) + 2) >> 8), byte(len(seg) + 2)}, seg...)
	return append(out, jpg[2:]...)
}

func TestOrientation(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, corner(200, 100), &jpeg.Options{Quality: 95}))
	// Where the red quarter is after turning: x and y in halves.
	red := map[uint16][2]int{1: {0, 0}, 2: {1, 0}, 3: {1, 1}, 4: {0, 1}, 5: {0, 0}, 6: {1, 0}, 7: {1, 1}, 8: {0, 1}}
	for turn, at := range red {
		for _, o := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			data := withExif(b.Bytes(), o, turn)
			pic, err := NewPictures(1).Inspect(context.Background(), bytes.NewReader(data))
			require.NoError(t, err)
			w, h := 200, 100
			if turn >= 5 {
				w, h = h, w
			}
			require.Equal(t, [2]int{w, h}, [2]int{pic.Width, pic.Height}, "orientation %d", turn)
			require.NotContains(t, string(pic.Thumb), "Exif")
			img, _, err := image.Decode(bytes.NewReader(pic.Thumb))
			require.NoError(t, err)
			require.Equal(t, image.Pt(w, h), img.Bounds().Size())
			r, _, bl, _ := img.At(w/4+at[0]*w/2, h/4+at[1]*h/2).RGBA()
			require.Greater(t, r, bl, "orientation %d", turn)
			r, _, bl, _ = img.At(w/4+(1-at[0])*w/2, h/4+(1-at[1])*h/2).RGBA()
			require.Greater(t, bl, r, "orientation %d", turn)
		}
	}
}

func TestThumbnails(t *testing.T) {
	var opaque, clear bytes.Buffer
	require.NoError(t, png.Encode(&opaque, corner(3000, 20)))
	glass := image.NewNRGBA(image.Rect(0, 0, 20, 10))
	require.NoError(t, png.Encode(&clear, glass))
	webp, err := base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		data   []byte
		w, h   int // of the thumbnail
		format string
	}{
		{"long and flat", opaque.Bytes(), 512, 3, "jpeg"},
		{"with transparency", clear.Bytes(), 20, 10, "png"},
		{"webp", webp, 1, 1, "jpeg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pic, err := NewPictures(1).Inspect(context.Background(), bytes.NewReader(c.data))
			require.NoError(t, err)
			cfg, format, err := image.DecodeConfig(bytes.NewReader(pic.Thumb))
			require.NoError(t, err)
			require.Equal(t, c.format, format)
			require.Equal(t, [2]int{c.w, c.h}, [2]int{cfg.Width, cfg.Height})
		})
	}
}

// bomb is a tiny PNG that says it is huge.
func bomb(w, h uint32) []byte {
	ihdr := make([]byte, 4+13)
	copy(ihdr, "IHDR")
	binary.BigEndian.PutUint32(ihdr[4:], w)
	binary.BigEndian.PutUint32(ihdr[8:], h)
	ihdr[12], ihdr[13] = 8, 6
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, ihdr...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(ihdr))
}

func TestBombs(t *testing.T) {
	p := NewPictures(1)
	pic, err := p.Inspect(context.Background(), bytes.NewReader(bomb(20_000, 20_000)))
	require.NoError(t, err)
	require.Equal(t, Picture{Width: 20_000, Height: 20_000}, pic, "measured, not decoded")
	_, err = p.Inspect(context.Background(), bytes.NewReader(bomb(1<<30, 1<<30)))
	require.ErrorIs(t, err, ErrPicture)
	_, err = p.Inspect(context.Background(), bytes.NewReader(bomb(0, 5)))
	require.ErrorIs(t, err, ErrPicture)
	_, err = p.Inspect(context.Background(), bytes.NewReader([]byte("GIF89a")))
	require.ErrorIs(t, err, ErrPicture)
	_, err = p.Inspect(context.Background(), bytes.NewReader(nil))
	require.ErrorIs(t, err, ErrPicture)
}

func TestInspectWaits(t *testing.T) {
	p := NewPictures(1)
	p.slots <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Inspect(ctx, bytes.NewReader(bomb(5, 5)))
	require.ErrorIs(t, err, context.Canceled)
	<-p.slots
}

func TestCleanType(t *testing.T) {
	for in, want := range map[string]string{
		"image/PNG": "image/png", "text/plain; charset=utf-8": "text/plain", "": "", "png": "", "image/": "", "*/*": "",
		"text/html\r\nX: y": "", "image/png,text/html": "",
	} {
		require.Equal(t, want, CleanType(in), "%q", in)
	}
}

func TestSniff(t *testing.T) {
	for want, head := range map[string]string{
		isobmff: "\x00\x00\x00\x18ftypqt  ", "audio/flac": "fLaC\x00", "audio/mpeg": "\xff\xfb\x90\x00", "image/jpeg": "\xff\xd8\xff\xe0",
		"text/plain": "\xff\xfeh\x00i\x00", "application/ogg": "OggS\x00",
	} {
		require.Equal(t, want, sniff([]byte(head)), "%q", head)
	}
}

func FuzzInspect(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, jpeg.Encode(&b, corner(8, 8), nil))
	f.Add(withExif(b.Bytes(), binary.LittleEndian, 6))
	b.Reset()
	require.NoError(f, png.Encode(&b, corner(8, 8)))
	f.Add(b.Bytes())
	f.Add(bomb(300, 300))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if cfg, _, err := image.DecodeConfig(bytes.NewReader(in)); err == nil && cfg.Width*cfg.Height > 1<<20 {
			return // slow, and not what is looked for
		}
		pic, err := NewPictures(1).Inspect(context.Background(), bytes.NewReader(in))
		if err == nil && (pic.Width < 1 || pic.Height < 1) {
			t.Fatalf("%+v", pic)
		}
		Matches("image/png", in)
		orientation(bytes.NewReader(in))
	})
}
