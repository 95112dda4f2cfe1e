// Command whoami is the web server of skep's examples and tests: it tells where it runs and how it was asked, and can
// be told to be slow, unhealthy, talkative or to exit. Package web is what it does.
//
// It uses the standard library only, so that it runs in an image made from scratch. It reads and writes no table.
package main
