// Command skep is the daemon and its few commands; package cli holds them all. It reads and writes no table itself.
package main
