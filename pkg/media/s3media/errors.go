package s3media

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/murre-chat/murre/pkg/media"
)

// errUnavailable marks what S3's absence, slowness or own failures caused.
var errUnavailable = errors.New("S3 unavailable")

// errRefused marks an answer that says no.
var errRefused = errors.New("S3 refused")

// errNoBucket is such an answer.
var errNoBucket = fmt.Errorf("%w: there is no such bucket", errRefused)

// unavailable reports whether an error of call counts against S3.
func unavailable(err error) bool { return errors.Is(err, errUnavailable) }

// translate turns the driver's errors into the port's. Only text of the driver's is kept.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("s3: %w", context.Canceled)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: no answer in time", errUnavailable)
	}
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return fmt.Errorf("%w: %s", errUnavailable, err.Error()) // no answer at all: the network
	}
	switch {
	case r.Code == "NoSuchBucket":
		return errNoBucket
	case r.StatusCode == http.StatusNotFound, r.Code == "NoSuchKey", r.Code == "NoSuchUpload":
		return media.ErrNotFound
	case r.StatusCode == http.StatusInsufficientStorage, strings.Contains(r.Code, "StorageFull"), strings.Contains(r.Code, "QuotaExceeded"),
		strings.Contains(r.Message, "no space left on device"): // what MinIO says when it is full to the brim
		return fmt.Errorf("%w: %s", media.ErrFull, r.Code)
	case r.StatusCode >= 500, r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusRequestTimeout, r.StatusCode == 0:
		return fmt.Errorf("%w: %s: %s", errUnavailable, r.Code, r.Message)
	}
	return fmt.Errorf("%w: %s: %s", errRefused, r.Code, r.Message)
}
