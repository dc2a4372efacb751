package header

import "time"

// fixdate parses an IMF-fixdate (RFC 9110, section 5.6.7), the form in which
// nearly all answers have their Date:
//
//	Sun, 06 Nov 1994 08:49:37 GMT
//
// Every answer with a reset has one, and package time takes five times as long.
// What is not exactly like that it leaves to package time.
func fixdate(s string) (time.Time, bool) {
	const form = "Sun, 06 Nov 1994 08:49:37 GMT"
	if len(s) != len(form) || s[3:5] != ", " || s[7] != ' ' || s[11] != ' ' || s[16] != ' ' ||
		s[19] != ':' || s[22] != ':' || s[25:] != " GMT" {
		return time.Time{}, false
	}
	day, month := twoDigits(s[5:7]), monthOf(s[8:11])
	century, year := twoDigits(s[12:14]), twoDigits(s[14:16])
	hour, minute, second := twoDigits(s[17:19]), twoDigits(s[20:22]), twoDigits(s[23:25])
	if !isWeekday(s[:3]) || day < 1 || month == 0 || century < 0 || year < 0 ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(100*century+year, month, day, hour, minute, second, 0, time.UTC)
	return t, t.Day() == day // else the month has no such day
}

// twoDigits returns the number that s, two bytes long, is, or -1.
func twoDigits(s string) int {
	if !isDigit(s[0]) || !isDigit(s[1]) {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

// monthOf returns the month of that name, or 0.
func monthOf(name string) time.Month {
	switch name {
	case "Jan":
		return time.January
	case "Feb":
		return time.February
	case "Mar":
		return time.March
	case "Apr":
		return time.April
	case "May":
		return time.May
	case "Jun":
		return time.June
	case "Jul":
		return time.July
	case "Aug":
		return time.August
	case "Sep":
		return time.September
	case "Oct":
		return time.October
	case "Nov":
		return time.November
	case "Dec":
		return time.December
	}
	return 0
}

// isWeekday reports whether name is that of a day. Nobody checks which.
func isWeekday(name string) bool {
	switch name {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}
