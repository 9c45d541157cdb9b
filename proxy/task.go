package proxy

import "github.com/generic-corp/halfpenny/internal/jsonscan"

// task is what a request asks: the last message with a text that a user wrote, as it
// lies in the messages, and the length in bytes of those before it. Messages are those
// of any dialect: a list of messages or of texts, one message, or one text.
func task(messages []byte) (message []byte, before int) {
	if len(messages) == 0 || messages[0] != '[' {
		return messages, 0
	}
	read := 0
	jsonscan.Items(messages, func(_, m []byte) {
		if asks(m) {
			message, before = m, read
		}
		read += len(m)
	})
	return message, before
}

// asks reports whether a message is a user's and has a text.
func asks(message []byte) bool {
	user, text := true, len(message) > 0 && message[0] == '"'
	jsonscan.Items(message, func(name, value []byte) {
		switch string(name) {
		case "role":
			user = string(value) == `"user"`
		case "content", "parts":
			eachText(value, func([]byte) { text = true })
		}
	})
	return user && text
}

// appendTask appends the text of a message.
func appendTask(dst, message []byte) []byte {
	from := len(dst)
	add := func(text []byte) {
		if len(dst) > from {
			dst = append(dst, '\n')
		}
		dst = jsonscan.AppendText(dst, text[1:len(text)-1])
	}
	if len(message) > 0 && message[0] == '"' {
		add(message)
	}
	jsonscan.Items(message, func(name, value []byte) {
		if string(name) == "content" || string(name) == "parts" {
			eachText(value, add)
		}
	})
	return dst
}

// eachText calls f for each JSON string that is a text of a content: the content
// itself, or a part of it.
func eachText(content []byte, f func(text []byte)) {
	if len(content) > 0 && content[0] == '"' {
		f(content)
		return
	}
	jsonscan.Items(content, func(name, part []byte) {
		if name != nil || len(part) == 0 {
			return
		}
		if part[0] == '"' {
			f(part)
		}
		jsonscan.Items(part, func(name, value []byte) {
			if string(name) == "text" && value[0] == '"' {
				f(value)
			}
		})
	})
}
