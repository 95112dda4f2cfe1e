package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestChart(t *testing.T) {
	c := Chart{Title: "Cost & size", X: "agents", Y: "ms", At: []float64{100, 1000, 10000}, Lines: []Line{
		{"leader", []float64{0.1, 1, 10}}, {"other", []float64{0.2, 0, 0.3}},
	}}
	svg := c.SVG()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the chart is no XML: %v\n%s", err, svg)
		}
	}
	if n := strings.Count(svg, "<circle"); n != 5 {
		t.Errorf("%d values are drawn, want 5: what is not there is not", n)
	}
	if low, high := c.range10(); low != -1 || high != 1 {
		t.Errorf("the axis goes from 10^%d to 10^%d", low, high)
	}
	left, middle, right := c.x(100), c.x(1000), c.x(10000)
	if left != chartLeft || right != chartLeft+chartPlotWide || math.Abs(middle-(left+right)/2) > 1e-9 {
		t.Errorf("sizes are at %v, %v, %v", left, middle, right)
	}
	if top, bottom := c.y(10, -1, 1), c.y(0.1, -1, 1); top != chartTop || bottom != chartTop+chartPlotHigh {
		t.Errorf("values are from %v to %v", bottom, top)
	}
	if !strings.Contains(svg, "Cost &amp; size") {
		t.Error("a title is written as it is")
	}
}

func TestScaleTable(t *testing.T) {
	var one Scaled
	one.Agents, one.Tasks, one.Load.LeaderMillis, one.Load.LeaderRSS = 100, 10000, 0.1234, 5e8
	table := ScaleTable([]Scaled{one, one})
	for _, want := range []string{"| agents ", "|           100 |           100 |", "|         0.123 |", "|           500 |", "|             – |"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	width := -1
	for line := range strings.Lines(table) {
		n := strings.Count(line, "|")
		if width >= 0 && n != width {
			t.Errorf("a row has %d columns: %s", n, line)
		}
		width = n
	}
	if got, err := ParseSizes("100x10000,1000x100000"); err != nil || len(got) != 2 || got[1] != (Size{1000, 100000}) {
		t.Errorf("sizes: %v, %v", got, err)
	}
	for _, bad := range []string{"", "100", "0x5", "5x", "axb"} {
		if _, err := ParseSizes(bad); err == nil {
			t.Errorf("%q was read as sizes", bad)
		}
	}
	if got := len(ScaleCharts([]Scaled{one})); got != 4 {
		t.Errorf("%d charts", got)
	}
}
