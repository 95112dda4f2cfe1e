package scale

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks are the kernel's clock ticks in a second, in which it accounts for processors: 100 on every Linux that Go runs on.
const ticks = 100

// processorTime is what a process has used since it began.
func processorTime(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(raw)
}

// parseStat adds utime and stime, the 14th and 15th fields; the second may hold spaces and parentheses.
func parseStat(raw []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[end+1:]))
	if end < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("the kernel's account of a process cannot be read: %q", raw)
	}
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the kernel's account of a process cannot be read: %w", err)
		}
		sum += time.Duration(n) * time.Second / ticks
	}
	return sum, nil
}

// resident is the memory of a process, in bytes.
func resident(pid int) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0, fmt.Errorf("the kernel's account of a process's memory cannot be read: %q", raw)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// busy is what all processors have been busy with since the machine began, whoever for.
func busy() (time.Duration, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	return parseBusy(line)
}

// parseBusy adds all but idle and iowait, the fourth and fifth; those after the eighth are in the first two already.
func parseBusy(line string) (time.Duration, error) {
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("the kernel's account of the processors cannot be read: %q", line)
	}
	var sum time.Duration
	for i, f := range fields[1:9] {
		if i == 3 || i == 4 {
			continue
		}
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the kernel's account of the processors cannot be read: %w", err)
		}
		sum += time.Duration(n) * time.Second / ticks
	}
	return sum, nil
}
