package protocol

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// checker validates JSON against the schemas of the AsyncAPI document, read from its bytes as anyone would. It knows the
// keywords that the document uses and fails on any other.
type checker struct{ doc map[string]any }

func newChecker(t *testing.T) checker {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(AsyncAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	return checker{doc}
}

func (c checker) resolve(ref string) any {
	var at any = c.doc
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(map[string]any)[part]
	}
	return at
}

// frame validates a frame against the message named prefix.type.
func (c checker) frame(prefix string, raw []byte) error {
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	m, ok := c.resolve("#/components/messages/" + prefix + "." + fmt.Sprint(v["type"])).(map[string]any)
	if !ok {
		return fmt.Errorf("no message for type %v", v["type"])
	}
	return c.validate("", m["payload"].(map[string]any), v)
}

func (c checker) validate(path string, s map[string]any, v any) error {
	if ref, ok := s["$ref"].(string); ok {
		return c.validate(path, c.resolve(ref).(map[string]any), v)
	}
	for key, want := range s {
		if err := c.keyword(path, key, want, v); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) keyword(path, key string, want, v any) error {
	text, isText := v.(string)
	list, isList := v.([]any)
	object, isObject := v.(map[string]any)
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
	switch key {
	case "description", "format", "default":
	case "type":
		number, isNumber := v.(float64)
		_, isBool := v.(bool)
		ok := map[string]bool{"string": isText, "array": isList, "object": isObject, "boolean": isBool, "integer": isNumber && number == float64(int64(number))}[want.(string)]
		if !ok {
			return bad("is not %v", want)
		}
	case "const":
		if v != want {
			return bad("is not %v", want)
		}
	case "enum":
		if !slices.Contains(want.([]any), v) {
			return bad("%v is not one of %v", v, want)
		}
	case "pattern":
		if isText && !regexp.MustCompile(want.(string)).MatchString(text) {
			return bad("%q doesn't match %v", text, want)
		}
	case "minLength":
		if isText && utf8.RuneCountInString(text) < int(want.(float64)) {
			return bad("too short")
		}
	case "maxLength":
		if isText && utf8.RuneCountInString(text) > int(want.(float64)) {
			return bad("too long")
		}
	case "minItems":
		if isList && len(list) < int(want.(float64)) {
			return bad("too few")
		}
	case "maxItems":
		if isList && len(list) > int(want.(float64)) {
			return bad("too many")
		}
	case "items":
		for i, item := range list {
			if err := c.validate(fmt.Sprintf("%s[%d]", path, i), want.(map[string]any), item); err != nil {
				return err
			}
		}
	case "properties":
		for name, p := range want.(map[string]any) {
			if item, ok := object[name]; isObject && ok {
				if err := c.validate(path+"."+name, p.(map[string]any), item); err != nil {
					return err
				}
			}
		}
	case "required":
		for _, name := range want.([]any) {
			if _, ok := object[name.(string)]; isObject && !ok {
				return bad("%v is missing", name)
			}
		}
	case "anyOf":
		for _, one := range want.([]any) {
			if c.validate(path, one.(map[string]any), v) == nil {
				return nil
			}
		}
		return bad("fits none of anyOf")
	default:
		return bad("the schema uses %q, which this checker doesn't know", key)
	}
	return nil
}
