package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// An address of a download holds for five minutes; a clock that is further ahead makes it end before it begins. Answers tell
// the time in whole seconds.
const (
	objectClockWarn = 5 * time.Second
	objectClockFail = 5 * time.Minute
)

// objectStore does what a gateway does with S3, once, and undoes it.
func objectStore(ctx context.Context, o *Options, r *Report) {
	want := o.S3
	transport := &http.Transport{ResponseHeaderTimeout: o.Timeout, TLSHandshakeTimeout: o.Timeout, DisableKeepAlives: true}
	clock := &dated{next: transport}
	creds := credentials.NewStaticV4(want.AccessKey, want.SecretKey, "")
	opts := &minio.Options{Creds: creds, Secure: want.Secure, Region: want.Region, Transport: clock, MaxRetries: 1}
	core, err := minio.NewCore(want.Endpoint, opts)
	if err != nil {
		r.add(areaS3, "address", Fail, "correct --s3", "%s", brief(err))
		return
	}
	to, err := url.Parse(want.Public)
	if err != nil || to.Host == "" {
		r.add(areaS3, "address", Fail, "correct public in --s3", "clients can't be sent to %q", want.Public)
		return
	}
	public, err := minio.New(to.Host, &minio.Options{Creds: creds, Secure: to.Scheme == "https", Region: want.Region, Transport: transport})
	if err != nil {
		r.add(areaS3, "address", Fail, "correct public in --s3", "%s", brief(err))
		return
	}
	e := &objectExam{o: o, want: want, core: core, public: public, http: &http.Client{Transport: transport, Timeout: o.Timeout}, key: "doctor/" + rand.Text()}
	if !e.bucket(ctx, r) {
		return
	}
	judgeObjectClock(r, clock.offset)
	if e.objects(ctx, r) {
		e.multipart(ctx, r)
		e.direct(ctx, r)
	}
	e.versioning(ctx, r)
}

// dated notes what the server's clock says.
type dated struct {
	next   http.RoundTripper
	offset time.Duration
}

func (d *dated) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := d.next.RoundTrip(req)
	if err == nil {
		if at, derr := http.ParseTime(res.Header.Get("Date")); derr == nil {
			d.offset = time.Until(at) + 500*time.Millisecond // cut to the second
		}
	}
	return res, err
}

func judgeObjectClock(r *Report, offset time.Duration) {
	v := OK
	switch {
	case offset.Abs() > objectClockFail:
		v = Fail
	case offset.Abs() > objectClockWarn:
		v = Warn
	}
	found := ahead(offset.Round(time.Second))
	r.add(areaS3, "clock", v, "let an NTP client set both clocks: signatures hold from our moment on, for five minutes", "%s", found)
}

// objectExam is one examination.
type objectExam struct {
	o      *Options
	want   *S3
	core   *minio.Core
	public *minio.Client
	http   *http.Client
	key    string
}

func (e *objectExam) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, e.o.Timeout)
	defer cancel()
	return brief(f(ctx))
}

func (e *objectExam) bucket(ctx context.Context, r *Report) bool {
	var there bool
	err := e.within(ctx, func(ctx context.Context) (err error) {
		there, err = e.core.BucketExists(ctx, e.want.Bucket)
		return err
	})
	switch {
	case err != nil:
		r.add(areaS3, "bucket", Fail, "check the address and the keys in --s3; the keys need s3:ListBucket", "%s at %s: %s", e.want.Bucket, e.want.Endpoint, err)
	case !there:
		r.add(areaS3, "bucket", Info, "a gateway makes it when its keys may (s3:CreateBucket); else make it", "%s isn't there yet", e.want.Bucket)
	default:
		r.add(areaS3, "bucket", OK, "", "%s at %s", e.want.Bucket, e.want.Endpoint)
	}
	return err == nil && there
}

var probe = []byte("murre doctor was here")

func (e *objectExam) objects(ctx context.Context, r *Report) bool {
	began := time.Now()
	err := e.within(ctx, func(ctx context.Context) error {
		_, err := e.core.Client.PutObject(ctx, e.want.Bucket, e.key, bytes.NewReader(probe), int64(len(probe)), minio.PutObjectOptions{})
		return err
	})
	if err != nil {
		r.add(areaS3, "objects", Fail, "the keys need s3:PutObject, s3:GetObject and s3:DeleteObject", "put: %s", err)
		return false
	}
	err = e.within(ctx, func(ctx context.Context) error {
		body, _, _, err := e.core.GetObject(ctx, e.want.Bucket, e.key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		got, err := io.ReadAll(io.LimitReader(body, 1<<10))
		if err == nil && !bytes.Equal(got, probe) {
			err = errors.New("other bytes came back")
		}
		return err
	})
	if err != nil {
		r.add(areaS3, "objects", Fail, "the keys need s3:GetObject", "get: %s", err)
	} else {
		r.add(areaS3, "objects", OK, "", "put and get in %s", time.Since(began).Round(time.Millisecond))
	}
	return true
}

func (e *objectExam) multipart(ctx context.Context, r *Report) {
	err := e.within(ctx, func(ctx context.Context) error {
		id, err := e.core.NewMultipartUpload(ctx, e.want.Bucket, e.key+"-parts", minio.PutObjectOptions{})
		if err != nil {
			return err
		}
		if _, err := e.core.ListObjectParts(ctx, e.want.Bucket, e.key+"-parts", id, 0, 10); err != nil {
			return err
		}
		if _, err := e.core.ListMultipartUploads(ctx, e.want.Bucket, e.key+"-parts", "", "", "", 10); err != nil {
			return err
		}
		return e.core.AbortMultipartUpload(ctx, e.want.Bucket, e.key+"-parts", id)
	})
	if err != nil {
		r.add(areaS3, "uploads in parts", Fail, "the keys need s3:ListMultipartUploadParts, s3:ListBucketMultipartUploads and s3:AbortMultipartUpload", "%s", err)
		return
	}
	r.add(areaS3, "uploads in parts", OK, "", "begun, listed and given up")
}

// direct does as a client, from here, and deletes the probe.
func (e *objectExam) direct(ctx context.Context, r *Report) {
	if !e.want.Direct {
		r.add(areaS3, "clients", OK, "", "go through the gateways")
	} else if err := e.presigned(ctx); err != nil {
		r.add(areaS3, "clients", Fail, "clients must reach S3 under that name, with the Host header passed on; set public=… in --s3, or via=gateway", "%s: %s", e.want.Public, err)
	} else {
		r.add(areaS3, "clients", OK, "", "put and get at %s", e.want.Public)
	}
	if e.want.Direct {
		e.origins(ctx, r)
	}
	err := e.within(ctx, func(ctx context.Context) error {
		return e.core.RemoveObject(ctx, e.want.Bucket, e.key, minio.RemoveObjectOptions{})
	})
	if err != nil {
		r.add(areaS3, "deletion", Fail, "the keys need s3:DeleteObject; delete "+e.key+" yourself", "%s", err)
	}
}

func (e *objectExam) presigned(ctx context.Context) error {
	for _, method := range []string{http.MethodPut, http.MethodGet} {
		to, err := e.public.Presign(ctx, method, e.want.Bucket, e.key, time.Minute, nil)
		if err != nil {
			return brief(err)
		}
		req, err := http.NewRequestWithContext(ctx, method, to.String(), nil)
		if err != nil {
			return brief(err)
		}
		if method == http.MethodPut {
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(probe)), int64(len(probe))
		}
		res, err := e.http.Do(req)
		if err != nil {
			return brief(bare(err))
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s is answered %s", method, res.Status)
		}
	}
	return nil
}

// bare takes the address off a request's error: it is signed.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// origins asks as a browser does before it sends to another origin.
func (e *objectExam) origins(ctx context.Context, r *Report) {
	if len(e.o.Origins) == 0 {
		r.add(areaS3, "browsers", Info, "", "not asked: no --allowed-origins; the bucket's CORS rules must allow PUT and GET from the page's origin")
		return
	}
	for _, origin := range e.o.Origins {
		req, err := http.NewRequestWithContext(ctx, http.MethodOptions, e.want.Public+"/"+e.want.Bucket+"/"+e.key, nil)
		if err != nil {
			continue
		}
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", http.MethodPut)
		req.Header.Set("Access-Control-Request-Headers", "content-type")
		res, err := e.http.Do(req)
		allowed := ""
		if err == nil {
			allowed = res.Header.Get("Access-Control-Allow-Origin")
			_ = res.Body.Close()
		}
		if allowed == "*" || allowed == origin {
			r.add(areaS3, "browsers", OK, "", "may send from %s", origin)
			continue
		}
		r.add(areaS3, "browsers", Warn, "give the bucket a CORS rule: origin "+origin+", methods GET and PUT, header content-type", "may not send from %s", origin)
	}
}

func (e *objectExam) versioning(ctx context.Context, r *Report) {
	var v minio.BucketVersioningConfiguration
	err := e.within(ctx, func(ctx context.Context) (err error) {
		v, err = e.core.GetBucketVersioning(ctx, e.want.Bucket)
		return err
	})
	if err == nil && v.Enabled() {
		r.add(areaS3, "versioning", Warn, "suspend it, or let a lifecycle rule expire old versions: what people delete stays in them", "on")
	}
}
