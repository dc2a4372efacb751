package main

// RunTrial is Run with a trial of the test's own.
var RunTrial = run
