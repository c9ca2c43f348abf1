package s3media

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"time"
)

// Defaults.
const (
	defaultRegion  = "us-east-1"
	defaultTimeout = 10 * time.Second
)

// Options of a bucket.
type Options struct {
	Endpoint  string // host:port
	Secure    bool   // https
	AccessKey string
	SecretKey string
	Bucket    string
	Region    string // default us-east-1
	// Public is the http(s)://host[:port] by which clients reach the same S3; default the endpoint. Signatures hold for one
	// host name, so that whatever stands there must pass the Host header on.
	Public string
	// ViaGateway: clients send and fetch bytes through the gateways, as S3 can't be reached by them.
	ViaGateway bool
	Timeout    time.Duration // of one request, of a part six times as long; default 10 s
	Log        *slog.Logger  // default: none
}

// Parse reads the option --s3: http(s)://KEY:SECRET@HOST[:PORT]/BUCKET[?region=R][&public=URL][&via=gateway].
func Parse(text string) (Options, error) {
	var o Options
	// The text holds a secret: no error repeats it.
	u, err := url.Parse(text)
	if err != nil {
		return o, errors.New("--s3: is not a URL like https://KEY:SECRET@HOST/BUCKET")
	}
	switch u.Scheme {
	case "http":
	case "https":
		o.Secure = true
	default:
		return o, errors.New("--s3: must begin with http:// or https://")
	}
	o.Endpoint, o.AccessKey = u.Host, u.User.Username()
	o.SecretKey, _ = u.User.Password()
	if len(u.Path) > 1 {
		o.Bucket = u.Path[1:]
	}
	for name, values := range u.Query() {
		v := values[len(values)-1]
		switch {
		case name == "region":
			o.Region = v
		case name == "public":
			o.Public = v
		case name == "via" && v == "gateway":
			o.ViaGateway = true
		case name == "via" && v == "direct":
		case name == "via":
			return o, fmt.Errorf("--s3: via=%s is neither direct nor gateway", v)
		default:
			return o, fmt.Errorf("--s3: unknown parameter %s (there are region, public and via)", name)
		}
	}
	o.fill()
	return o, o.validate()
}

func (o *Options) fill() {
	if o.Region == "" {
		o.Region = defaultRegion
	}
	if o.Public == "" {
		o.Public = "http://" + o.Endpoint
		if o.Secure {
			o.Public = "https://" + o.Endpoint
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (o *Options) validate() error {
	switch {
	case o.Endpoint == "":
		return errors.New("--s3: names no host")
	case o.AccessKey == "" || o.SecretKey == "":
		return errors.New("--s3: needs KEY:SECRET@ before the host (percent-encoded)")
	case !bucketName.MatchString(o.Bucket):
		return fmt.Errorf("--s3: %q is no name of a bucket: one path segment of 3 to 63 small letters, digits, dots and dashes", o.Bucket)
	}
	if _, _, err := o.public(); err != nil {
		return err
	}
	return nil
}

// public takes the clients' address apart.
func (o *Options) public() (host string, secure bool, err error) {
	u, err := url.Parse(o.Public)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.User != nil {
		return "", false, errors.New("--s3: public must be http(s)://host[:port] and nothing more: signatures cover the path")
	}
	return u.Host, u.Scheme == "https", nil
}
