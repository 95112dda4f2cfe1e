// works
