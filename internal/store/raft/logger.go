package raft

import (
	"fmt"
	"log/slog"
)

// logger hands the library's words to slog. What the library holds to be impossible ends the process: going on could
// lose what was acknowledged.
type logger struct{ *slog.Logger }

func (l logger) Debug(v ...any)                   { l.Logger.Debug(fmt.Sprint(v...)) }
func (l logger) Debugf(format string, v ...any)   { l.Logger.Debug(fmt.Sprintf(format, v...)) }
func (l logger) Info(v ...any)                    { l.Logger.Debug(fmt.Sprint(v...)) }
func (l logger) Infof(format string, v ...any)    { l.Logger.Debug(fmt.Sprintf(format, v...)) }
func (l logger) Warning(v ...any)                 { l.Logger.Warn(fmt.Sprint(v...)) }
func (l logger) Warningf(format string, v ...any) { l.Logger.Warn(fmt.Sprintf(format, v...)) }
func (l logger) Error(v ...any)                   { l.Logger.Error(fmt.Sprint(v...)) }
func (l logger) Errorf(format string, v ...any)   { l.Logger.Error(fmt.Sprintf(format, v...)) }
func (l logger) Fatal(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l logger) Fatalf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
func (l logger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l logger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
