package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Chart is lines over a logarithmic axis of sizes. Zero values are not drawn.
type Chart struct {
	Title, X, Y string
	At          []float64 // the sizes, rising
	Lines       []Line
}

// Line is one line of a chart, a value for each size.
type Line struct {
	Name   string
	Values []float64
}

// Where things are in a chart, in its own units.
const (
	chartWidth, chartHeight   = 640, 360
	chartLeft, chartRight     = 78, 150
	chartTop, chartBottom     = 44, 52
	chartPlotWide             = chartWidth - chartLeft - chartRight
	chartPlotHigh             = chartHeight - chartTop - chartBottom
	chartFont                 = `font-family="sans-serif" font-size="12" fill="#333"`
	chartLineSpace, chartDots = 18, 3
)

// chartColours can be told apart by those who do not see all colours, and in print.
func chartColours() []string { return []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"} }

// SVG draws the chart. The vertical axis is logarithmic, too: of a cost that grows with the size the slope is what counts.
func (c Chart) SVG() string {
	var b strings.Builder
	low, high := c.range10()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", chartWidth, chartHeight, chartWidth, chartHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, chartHeight)
	c.text(&b, chartLeft, 24, "start", c.Title)
	c.text(&b, chartLeft+chartPlotWide/2, chartHeight-12, "middle", c.X)
	fmt.Fprintf(&b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle" %s>%s</text>`+"\n", chartTop+chartPlotHigh/2, chartFont, html.EscapeString(c.Y))
	for exp := low; exp <= high; exp++ {
		y := c.y(math.Pow10(exp), low, high)
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", chartLeft, y, chartLeft+chartPlotWide)
		c.text(&b, chartLeft-8, int(y)+4, "end", fmt.Sprintf("%g", math.Pow10(exp)))
	}
	for _, at := range c.At {
		x := c.x(at)
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/>`+"\n", x, chartTop, chartTop+chartPlotHigh)
		c.text(&b, int(x), chartTop+chartPlotHigh+18, "middle", fmt.Sprintf("%g", at))
	}
	for i, l := range c.Lines {
		c.line(&b, i, l, low, high)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c Chart) line(b *strings.Builder, i int, l Line, low, high int) {
	colour := chartColours()[i%len(chartColours())]
	var points []string
	for n, v := range l.Values {
		if v > 0 {
			x, y := c.x(c.At[n]), c.y(v, low, high)
			points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"><title>%s: %.4g</title></circle>`+"\n", x, y, chartDots, colour, html.EscapeString(l.Name), v)
		}
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colour)
	y := chartTop + 8 + i*chartLineSpace
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="12" height="3" fill="%s"/>`+"\n", chartWidth-chartRight+10, y-5, colour)
	c.text(b, chartWidth-chartRight+28, y, "start", l.Name)
}

func (c Chart) text(b *strings.Builder, x, y int, anchor, text string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, chartFont, html.EscapeString(text))
}

// range10 are the powers of ten around all values.
func (c Chart) range10() (low, high int) {
	least, most := math.Inf(1), 0.0
	for _, l := range c.Lines {
		for _, v := range l.Values {
			if v > 0 {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	if most == 0 {
		return 0, 1
	}
	low, high = int(math.Floor(math.Log10(least))), int(math.Ceil(math.Log10(most)))
	return low, max(high, low+1)
}

func (c Chart) x(at float64) float64 {
	first, last := math.Log10(c.At[0]), math.Log10(c.At[len(c.At)-1])
	if first == last {
		return chartLeft + chartPlotWide/2
	}
	return chartLeft + chartPlotWide*(math.Log10(at)-first)/(last-first)
}

func (c Chart) y(v float64, low, high int) float64 {
	return chartTop + chartPlotHigh*(1-(math.Log10(v)-float64(low))/float64(high-low))
}
