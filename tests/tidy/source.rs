//! A source file cut into words and comments, as far as the rules need it.
//!
//! Strings and comments are told from code, so a rule that looks for a word finds it only where it acts.
//! May come in: shapes that several rules look for. Not here: any rule.

/// A word, a literal or a punctuation mark of the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// An identifier or keyword.
    Word(String),
    /// The content of a string; other literals are words.
    Text(String),
    /// One character of punctuation.
    Mark(char),
}

/// One file, ready to be judged.
#[derive(Debug)]
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// The lines as written.
    pub lines: Vec<String>,
    /// The code with the line of each token, counted from 1.
    pub tokens: Vec<(usize, Token)>,
    /// Comments by line, counted from 1; a block comment has one entry for each of its lines.
    pub comments: Vec<(usize, String)>,
}

impl Source {
    /// Cuts `text` up.
    pub fn new(path: &str, text: &str) -> Self {
        let lines = text.lines().map(str::to_owned).collect();
        let mut cutter = Cutter { rest: text, line: 1, tokens: Vec::new(), comments: Vec::new() };
        while cutter.step() {}
        Self { path: path.to_owned(), lines, tokens: cutter.tokens, comments: cutter.comments }
    }

    /// The word at `index`, or an empty one.
    pub fn word(&self, index: usize) -> &str {
        match self.tokens.get(index) {
            Some((_, Token::Word(word))) => word,
            _ => "",
        }
    }

    /// Whether the tokens from `index` on are these marks.
    pub fn marks(&self, index: usize, marks: &str) -> bool {
        marks
            .chars()
            .enumerate()
            .all(|(n, mark)| self.tokens.get(index + n).is_some_and(|(_, token)| *token == Token::Mark(mark)))
    }

    /// The line of the token at `index`; the last line when there is none.
    pub fn line(&self, index: usize) -> usize {
        self.tokens.get(index).map_or(self.lines.len(), |(line, _)| *line)
    }

    /// Indices of all words, with the words.
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().enumerate().filter_map(|(index, (_, token))| match token {
            Token::Word(word) => Some((index, word.as_str())),
            _ => None,
        })
    }

    /// The index after the bracket that closes the one at `open`.
    pub fn after_closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (index, (_, token)) in self.tokens.iter().enumerate().skip(open) {
            match token {
                Token::Mark('(' | '[' | '{') => depth += 1,
                Token::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return index + 1;
            }
        }
        self.tokens.len()
    }

    /// The comments that belong to the statement on `line`: on it, or on the lines directly above it.
    ///
    /// The walk up passes attributes, the earlier lines of the same statement and the heads of loops and
    /// branches around it, and stops at a blank line or at another statement.
    pub fn comments_at(&self, line: usize) -> String {
        let mut found: Vec<&str> = self.on(line).collect();
        let mut above = line;
        while above > 1 {
            above -= 1;
            let text = self.lines[above - 1].trim();
            let code = text.split("//").next().unwrap_or("").trim();
            let head = ["for ", "while ", "if ", "match ", "loop "].iter().any(|word| code.starts_with(word));
            let ends = code.ends_with([';', '}']) || (code.ends_with('{') && !head);
            if text.is_empty() || (!code.is_empty() && ends) {
                break;
            }
            found.extend(self.on(above));
        }
        found.join(" ")
    }

    fn on(&self, line: usize) -> impl Iterator<Item = &str> {
        self.comments.iter().filter(move |(at, _)| *at == line).map(|(_, text)| text.as_str())
    }
}

struct Cutter<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<(usize, Token)>,
    comments: Vec<(usize, String)>,
}

impl Cutter<'_> {
    /// Takes the next token or comment; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            let length = self.rest.find('\n').unwrap_or(self.rest.len());
            self.comments.push((self.line, self.rest[..length].to_owned()));
            self.take(length);
        } else if self.rest.starts_with("/*") {
            self.block_comment();
        } else if let Some((skip, hashes)) = raw_string(self.rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &self.rest[skip..];
            let length = body.find(&end).unwrap_or(body.len());
            self.text(skip, length, end.len());
        } else if first == '"' || self.rest.starts_with("b\"") || self.rest.starts_with("c\"") {
            let skip = self.rest.find('"').unwrap_or(0) + 1;
            self.text(skip, string_end(&self.rest[skip..]), 1);
        } else if first == '\'' {
            self.quote();
        } else if first.is_alphanumeric() || first == '_' {
            let length =
                self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
            self.tokens.push((self.line, Token::Word(self.rest[..length].to_owned())));
            self.take(length);
        } else {
            if !first.is_whitespace() {
                self.tokens.push((self.line, Token::Mark(first)));
            }
            self.take(first.len_utf8());
        }
        true
    }

    fn take(&mut self, length: usize) {
        let length = length.min(self.rest.len());
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }

    fn text(&mut self, skip: usize, length: usize, end: usize) {
        let body = self.rest[skip..skip + length].to_owned();
        self.tokens.push((self.line, Token::Text(body)));
        self.take(skip + length + end);
    }

    /// A block comment, whose kind may nest.
    fn block_comment(&mut self) {
        let (mut depth, mut length) = (0_usize, 0);
        while length < self.rest.len() {
            let tail = &self.rest.as_bytes()[length..];
            let (change, step) = match tail {
                [b'/', b'*', ..] => (1, 2),
                [b'*', b'/', ..] => (-1, 2),
                _ => (0, 1),
            };
            depth = depth.saturating_add_signed(change);
            length += step;
            if depth == 0 {
                break;
            }
        }
        for (n, text) in self.rest[..length].split('\n').enumerate() {
            self.comments.push((self.line + n, text.to_owned()));
        }
        self.take(length);
    }

    /// A character, or the quote of a lifetime.
    fn quote(&mut self) {
        let body = &self.rest[1..];
        let mut chars = body.char_indices();
        let length = match (chars.next(), chars.next()) {
            (Some((_, '\\')), Some((at, _))) => body[at + 1..].find('\'').map(|end| 1 + at + 1 + end + 1),
            (Some(_), Some((at, '\''))) => Some(1 + at + 1),
            _ => None,
        };
        // A lifetime's name follows as a word, which harms no rule.
        self.take(length.unwrap_or(1));
    }
}

/// Length of the opening of a raw string and the count of its hashes.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let body = ["br", "cr", "r"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let open = text.len() - body.len() + hashes;
    text[open..].starts_with('"').then_some((open + 1, hashes))
}

/// Length of an ordinary string's content.
fn string_end(body: &str) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    body.len()
}

#[test]
fn code_is_told_from_strings_and_comments() {
    let text = "let a = \"x // y \\\" z\"; // one\n/* two\n /* three */ */ b('\"', 'c', '\\'');\nr#\"d\"e\"# &'f g\n";
    let source = Source::new("x.rs", text);
    let words: Vec<&str> = source.words().map(|(_, word)| word).collect();
    assert_eq!(words, ["let", "a", "b", "f", "g"]);
    assert!(source.tokens.contains(&(1, Token::Text("x // y \\\" z".to_owned()))));
    assert!(source.tokens.contains(&(4, Token::Text("d\"e".to_owned()))));
    let lines: Vec<usize> = source.comments.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2, 3]);
}

#[test]
fn a_statement_knows_its_comments() {
    let text = "a(); // of a\n// of b\nb(\n    c,\n);\n\n// alone\n\nd();\n";
    let source = Source::new("x.rs", text);
    assert_eq!(source.comments_at(4), "// of b");
    assert_eq!(source.comments_at(1), "// of a");
    assert_eq!(source.comments_at(9), "");
    let nested =
        Source::new("x.rs", "// why\nfor a in b {\n    c();\n    d();\n}\n// of f\nfn f() {\n    e()\n}\n");
    assert_eq!(nested.comments_at(3), "// why");
    assert_eq!(nested.comments_at(4), "");
    assert_eq!(nested.comments_at(8), "");
}
