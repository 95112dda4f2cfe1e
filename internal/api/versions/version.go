package versions

import (
	"cmp"
	"strconv"
	"strings"
)

// Version is a version of the API, such as 1.41.
type Version struct{ Major, Minor int }

// Oldest is the lowest version answered.
func Oldest() Version { return Version{1, 24} }

// Newest is the version of the types skep is built with.
func Newest() Version { return Version{1, 56} }

// PlainErrors says whether a client of this version expects errors as plain text.
func (v Version) PlainErrors() bool { return v.Less(Version{1, 23}) }

// Parse reads "1.41"; ok is false when it is no version.
func Parse(s string) (v Version, ok bool) {
	major, minor, _ := strings.Cut(s, ".")
	var err error
	if v.Major, err = strconv.Atoi(major); err != nil {
		return Version{}, false
	}
	if minor == "" {
		return v, true
	}
	// Docker compares only as many parts as it knows; "1.41.2" is 1.41.
	minor, _, _ = strings.Cut(minor, ".")
	if v.Minor, err = strconv.Atoi(minor); err != nil {
		return Version{}, false
	}
	return v, true
}

func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }

// Compare orders versions as cmp.Compare does.
func (v Version) Compare(other Version) int {
	if n := cmp.Compare(v.Major, other.Major); n != 0 {
		return n
	}
	return cmp.Compare(v.Minor, other.Minor)
}

// Less says whether v is older than other.
func (v Version) Less(other Version) bool { return v.Compare(other) < 0 }

// IsZero says that no version is known.
func (v Version) IsZero() bool { return v == Version{} }

// Split takes a leading "/vX.Y" off a path. text is the version as it was written and empty for a
// bare path; rest always begins with a slash.
func Split(path string) (text, rest string) {
	after, ok := strings.CutPrefix(path, "/v")
	if !ok {
		return "", path
	}
	text, rest, ok = strings.Cut(after, "/")
	if !ok || text == "" || strings.Trim(text, "0123456789.") != "" {
		return "", path
	}
	return text, "/" + rest
}
