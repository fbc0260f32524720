// SPDX-License-Identifier: GPL-2.0-only
/*
 * page.js - the monitor's page
 *
 * Asks /api/status once a second and shows the answer. Every text goes into
 * the page as textContent, never as markup: much of it was chosen by guests.
 * Rows and cells are kept and changed only where they differ, so that a
 * reader's selection and scroll position survive.
 */
"use strict";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const CIRCUITS_SHOWN = 100;

const at = (id) => document.getElementById(id);

function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function bytesText(n) {
	let unit = 0;

	while (n >= 1024 && unit < UNITS.length - 1) {
		n /= 1024;
		unit++;
	}
	return (unit && n < 100 ? n.toFixed(1) : Math.round(n)) + " " +
		UNITS[unit];
}

const rateText = (n) => n ? bytesText(n) + "/s" : "0";
const countText = (n) => n.toLocaleString("en");

function ageText(seconds) {
	const s = Math.max(0, Math.floor(seconds));

	if (s < 60)
		return s + " s";
	if (s < 3600)
		return Math.floor(s / 60) + " min " + s % 60 + " s";
	if (s < 86400)
		return Math.floor(s / 3600) + " h " +
			Math.floor(s % 3600 / 60) + " min";
	return Math.floor(s / 86400) + " d " +
		Math.floor(s % 86400 / 3600) + " h";
}

const timeText = (iso) => new Date(iso).toLocaleTimeString("en-GB");

function endpointText(address, port) {
	if (!address)
		return "–";
	return (address.includes(":") ? "[" + address + "]" : address) +
		":" + port;
}

/* A cell: {text, kind: class names of the cell, pill: class of a pill in it} */
const cell = (text, kind = "", pill = "") => ({ text, kind, pill });
const number = (text) => cell(text, "n");
const alarm = (n) => cell(countText(n), n ? "n alarm" : "n");

function fillCell(td, wanted) {
	let target = td;

	if (td.className !== wanted.kind)
		td.className = wanted.kind;
	if (wanted.pill) {
		if (!td.firstElementChild)
			td.replaceChildren(document.createElement("span"));
		target = td.firstElementChild;
		target.className = "pill " + wanted.pill;
	} else if (td.firstElementChild) {
		td.replaceChildren();
	}
	setText(target, String(wanted.text));
}

/* Make a table's body show these rows of cells */
function fillTable(id, rows) {
	const table = at(id);
	const body = table.tBodies[0];
	const empty = table.closest("section").querySelector(".empty");

	while (body.rows.length > rows.length)
		body.deleteRow(-1);
	rows.forEach((cells, i) => {
		const tr = body.rows[i] || body.insertRow();

		cells.forEach((wanted, j) =>
			fillCell(tr.cells[j] || tr.insertCell(), wanted));
	});
	if (empty)
		empty.hidden = rows.length > 0;
	table.hidden = !!empty && !rows.length;
}

const GOOD = ["up", "connected", "open", "listening", "attached"];
const BAD = ["away", "gone", "expelled", "failed", "lost", "refused"];

/* The guest's driver has found the operator, and perhaps its proxy */
const HERE = ["connected", "attached", "throttled"];

function pillOf(state) {
	if (GOOD.includes(state))
		return "good";
	if (BAD.includes(state))
		return "bad";
	return state === "absent" || state === "closing" ? "plain" : "wait";
}

const nameOf = (s) => s.instance && s.instance !== "main" ?
	s.service + " " + s.instance : s.service;

function showServices(status) {
	fillTable("services", status.services.map((s) => {
		const up = s.state === "up";
		const never = !s.seen;

		return [
			cell(nameOf(s), "fix"),
			cell(never ? "not seen yet" : up ? "up" : "away", "fix",
			     never ? "wait" : up ? "good" : "bad"),
			cell((up ? "" : "away since ") + timeText(s.since),
			     "fix"),
			number(s.pid || "–"),
			number(up ? ageText(s.uptime_s) : "–"),
			number(up ? bytesText(s.rss_kib * 1024) : "–"),
			number(up ? countText(s.guests) : "–"),
			number(up ? countText(s.circuits) : "–"),
			alarm(s.restarts),
		];
	}));
}

/* Several services count for a guest: the largest is the freshest */
const most = (guest, key) =>
	guest.seen_by.reduce((n, view) => Math.max(n, view[key]), 0);

/* What a guest has at several proxies adds up: connections, datagrams */
function held(guest, key) {
	const proxies = guest.seen_by.filter((view) =>
		view.service.startsWith("proxy-"));

	return Math.max(most(guest, key),
		proxies.reduce((n, view) => n + view[key], 0));
}

function showGuests(status) {
	fillTable("guests", status.guests.map((g) => [
		cell(g.name, "fix"),
		number(g.domain || "–"),
		cell(g.state, "fix", pillOf(g.state)),
		cell(g.addresses.join(", ") || "–", "mono"),
		cell(g.proxy || "–", "fix"),
		cell(g.direct.join(", ") || "–"),
		number(countText(held(g, "circuits"))),
		number(countText(most(g, "listeners"))),
		number(rateText(g.sent_rate)),
		number(rateText(g.received_rate)),
		number(countText(most(g, "requests"))),
		number(countText(most(g, "refused"))),
		alarm(most(g, "lies")),
	]));
}

const circuitText = (c) => [c.guest, c.kind, c.state,
	endpointText(c.local, c.local_port),
	endpointText(c.remote, c.remote_port)];

function showCircuits(status) {
	const wanted = at("filter").value.toLowerCase();
	const found = status.circuits.filter((c) => !wanted ||
		circuitText(c).join(" ").toLowerCase().includes(wanted));
	const busy = (c) => c.sent_rate + c.received_rate;

	found.sort((a, b) => busy(b) - busy(a));
	setText(at("circuits-note"), "busiest first, " +
		countText(Math.min(found.length, CIRCUITS_SHOWN)) + " of " +
		countText(status.circuits_all));
	fillTable("circuits", found.slice(0, CIRCUITS_SHOWN).map((c) => [
		cell(c.guest, "fix"),
		cell(c.kind, "fix"),
		cell(c.state, "fix", pillOf(c.state)),
		cell(endpointText(c.local, c.local_port), "mono"),
		cell(c.kind === "listener" ? "–" :
			endpointText(c.remote, c.remote_port), "mono"),
		number(rateText(c.sent_rate)),
		number(rateText(c.received_rate)),
		number(bytesText(c.sent)),
		number(bytesText(c.received)),
		number(ageText(c.age_s)),
	]));
}

function showCauses(id, causes) {
	causes.sort((a, b) => b.count - a.count);
	fillTable(id, causes.map((c) => [
		cell(c.cause.replaceAll("-", " ").replaceAll("_", " ")),
		cell(nameOf(c), "fix"),
		number(countText(c.count)),
	]));
}

/* What is counted of datagrams, and of verdicts; losses by their causes */
const COUNTS = {
	datagrams: [
		["sent-datagrams", "from guests"],
		["received-datagrams", "to guests"],
		["sockets", "sockets opened"],
		["rested", "sockets closed while idle"],
		["given-back", "given back, for a direct line"],
		["errors-told", "errors of the network told"],
		["dropped-refused", "lost: not allowed", true],
		["dropped-bad-record", "lost: cannot be sent", true],
		["dropped-busy", "lost: the network takes no more", true],
		["dropped-socket", "lost: the socket's buffer is full", true],
		["dropped-no-room", "lost: the guest does not read", true],
		["dropped-stranger", "lost: from where nothing was sent to", true],
		["dropped-error", "lost: an error without room", true],
	],
	verdicts: [
		["questions", "asked"],
		["allowed", "allowed"],
		["refused-policy", "refused by policy"],
		["refused-malformed", "refused: no such destination"],
		["withdrawn", "withdrawn from lines"],
	],
};

function countRows(service, counts) {
	return counts.map(([name, text, loss]) => {
		const counter = service.counters.find((c) => c.name === name);
		const value = counter ? counter.value : 0;

		return [cell(text), cell(nameOf(service), "fix"),
			loss ? alarm(value) : number(countText(value))];
	});
}

function showCounts(status) {
	const of = (name) => status.services.filter((s) =>
		s.service === name && s.seen);

	fillTable("datagrams", of("proxy-udp").flatMap((s) =>
		countRows(s, COUNTS.datagrams)));
	fillTable("verdicts", of("operator").flatMap((s) =>
		countRows(s, COUNTS.verdicts)));
}

function showEvents(status) {
	fillTable("events", status.events.map((e) => [
		cell(timeText(e.time), "fix"),
		cell(e.event, "fix"),
		cell(nameOf(e), "fix"),
		cell(e.guest || "–", "fix"),
		cell(e.why),
	]));
}

function curve(rows, column, top, id) {
	const x = (i) => 960 * (i + 120 - rows.length) / 119;
	const y = (n) => 147 - 140 * n / top;
	const points = rows.map((row, i) =>
		x(i).toFixed(1) + " " + y(row[column]).toFixed(1));
	const line = points.length > 1 ? "M" + points.join("L") : "";

	at(id).setAttribute("d", line);
	at(id + "-area").setAttribute("d", line &&
		line + "L960 150L" + x(0).toFixed(1) + " 150Z");
}

function showChart(status) {
	const rows = status.history;
	const top = rows.reduce((n, r) => Math.max(n, r[0], r[1]), 1024);

	curve(rows, 0, top, "chart-sent");
	curve(rows, 1, top, "chart-received");
	setText(at("chart-top"), "top of the chart: " + rateText(top));
}

function showTiles(status) {
	const up = status.services.filter((s) => s.state === "up").length;
	const here = status.guests.filter((g) => HERE.includes(g.state));
	const now = status.history[status.history.length - 1] || [0, 0, 0];
	const refused = status.refusals.reduce((n, r) => n + r.count, 0);
	const errors = status.errors.reduce((n, r) => n + r.count, 0);
	const listeners = here.reduce((n, g) => n + most(g, "listeners"), 0);

	setText(at("t-services"), up + " / " + status.services.length);
	setText(at("t-services-note"), up === status.services.length ?
		"all answer" : "some are away");
	at("t-services").className = up === status.services.length ?
		"" : "alarm";
	setText(at("t-guests"), countText(here.length));
	setText(at("t-guests-note"), "of " + countText(status.guests.length) +
		" known");
	setText(at("t-circuits"), countText(now[2]));
	setText(at("t-circuits-note"), countText(listeners) +
		(listeners === 1 ? " listener" : " listeners"));
	setText(at("t-sent"), bytesText(now[0]));
	setText(at("t-received"), bytesText(now[1]));
	setText(at("t-refused"), countText(refused));
	setText(at("t-refused-note"), countText(errors) + " errors");
}

function show(status) {
	setText(at("time"), timeText(status.time));
	showTiles(status);
	showChart(status);
	showServices(status);
	showGuests(status);
	showCircuits(status);
	showCauses("refusals", status.refusals);
	showCauses("errors", status.errors);
	showCounts(status);
	showEvents(status);
}

let last = null;
let lastAt = null;

function tell(trouble) {
	const live = at("live");
	const banner = at("banner");

	setText(live, trouble ? "no answer" : "live");
	live.className = "pill " + (trouble ? "bad" : "good");
	banner.hidden = !trouble;
	if (trouble)
		setText(banner, "The monitor does not answer (" + trouble +
			")." + (lastAt ? " What you see is from " +
			lastAt.toLocaleTimeString("en-GB") + "." : "") +
			" Circuits do not depend on it.");
}

async function refresh() {
	try {
		const answer = await fetch("/api/status", {
			signal: AbortSignal.timeout(PATIENCE_MS),
		});

		if (!answer.ok)
			throw new Error("HTTP status " + answer.status);
		last = await answer.json();
		lastAt = new Date();
		show(last);
		tell(null);
	} catch (error) {
		tell(error.message);
	}
	setTimeout(refresh, EVERY_MS);
}

at("filter").addEventListener("input", () => last && showCircuits(last));
refresh();
