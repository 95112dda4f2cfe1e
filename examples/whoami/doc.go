// Command whoami is the web server of skep's examples and tests: it tells where it runs and how it was asked, and can
// be told to be slow, unhealthy, talkative or to exit. Package web is what it does.
// `whoami load` and `whoami names` are clients: they ask servers and name servers over and over and tell what came of it.
//
// It uses the standard library only, so that it runs in an image made from scratch. It reads and writes no table.
package main
