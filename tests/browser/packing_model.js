/* A packer with a plan, a server as the domain describes it, and the page's packing.js between them:
   random shifts with verdicts that come late and in pieces. Gives what went wrong. */

export async function shifts(url, from, to) {
  const { decide, follow, redecide } = await import(url);
  const masks = [{ pattern: "SB#####", capacity: 3 }];
  const wrong = [];
  for (let seed = from; seed < to; seed += 1) shift(seed);
  return wrong;

  function shift(seed) {
    const random = numbers(seed);
    const server = createServer();
    const lane = { parent: null, last: null };
    const waiting = [];
    let meant = null; // the parent in the packer's mind; a refused one leaves none
    for (let id = 1; id <= 40; id += 1) {
      const x = random();
      if (x > 0.97 && lane.parent && !lane.parent.doubt) {
        take({ kind: "finish", parent: lane.parent.qr_id, id, meant });
        meant = null;
      } else {
        const code = pick(x, random);
        const opens = /^SB0000[1-4]$|^OLD 1$/.test(code);
        take({ kind: "scan", code, id, meant: opens ? undefined : meant });
        if (opens || code === "SB00009") meant = opens ? code : null;
      }
      if (random() < 0.3) judge(1 + Math.floor(random() * 5));
    }
    judge(Infinity);
    const open = lane.parent;
    if (open && open.extra !== 0) wrong.push(`${seed}: ${open.extra} too many are expected in ${open.qr_id}`);
    if (open?.known && open.child_count !== server.count(open.qr_id)) wrong.push(`${seed}: wrong count of ${open.qr_id}`);

    function take(draft) {
      waiting.push({ ...draft, ...decide(lane, draft, draft.id, masks) });
    }

    function judge(limit) {
      for (let n = 0; n < limit && waiting.length; n += 1) {
        const item = waiting.shift();
        const result = server.judge(item);
        const linked = ["linked", "completed"].includes(result.outcome);
        if (linked && result.parent.qr_id !== item.meant) wrong.push(`${seed}: ${item.code} went into ${result.parent.qr_id}, not ${item.meant}`);
        if (item.told === "already_linked" && result.outcome === "is_parent") wrong.push(`${seed}: ${item.code} was told wrongly`);
        if (result.outcome === "finished" && result.parent.qr_id !== item.meant) wrong.push(`${seed}: ${result.parent.qr_id} was finished, not ${item.meant}`);
        const parent = follow(lane, item, result);
        if (parent !== undefined) redecide(lane, item, parent, waiting, masks);
      }
    }
  }
}

/** Parents (one that no mask knows), a child whose code looks like a parent's, and plain children. */
function pick(x, random) {
  if (x < 0.12) return `SB0000${1 + Math.floor(random() * 4)}`;
  if (x < 0.18) return "OLD 1";
  if (x < 0.22) return "SB00009";
  return `CHILD ${Math.floor(random() * 30)}`;
}

function numbers(seed) {
  let state = seed * 7919;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

function createServer() {
  const parents = new Map([["OLD 1", { n: 0, capacity: 5 }]]);
  const children = new Map([["SB00009", null]]);

  const state = (code) => ({ qr_id: code, child_count: parents.get(code).n, capacity: parents.get(code).capacity });
  const isParent = (code) => parents.has(code) || (!children.has(code) && /^SB\d{5}$/.test(code));

  function open(code) {
    const outcome = parents.has(code) ? "parent_opened" : "parent_created";
    if (!parents.has(code)) parents.set(code, { n: 0, capacity: 3 });
    return { status: 200, outcome, parent: state(code) };
  }

  function judge({ kind, code, parent: named, switch: opens }) {
    if (kind === "finish" && parents.has(named)) return { status: 200, outcome: "finished", parent: state(named) };
    if (named === null) return isParent(code) ? open(code) : { status: 422, outcome: "is_child", parent: null };
    const parent = parents.get(named);
    if (!parent) return { status: 404, outcome: "unknown_parent", parent: null };
    if (isParent(code)) return opens ? open(code) : { status: 422, outcome: "is_parent", parent: state(named) };
    if (children.get(code) === named) return { status: 200, outcome: "already_linked", parent: state(named) };
    if (parent.n >= parent.capacity) return { status: 409, outcome: "parent_full", parent: state(named) };
    if (children.get(code)) return { status: 409, outcome: "linked_elsewhere", parent: state(named) };
    children.set(code, named);
    parent.n += 1;
    return { status: 201, outcome: parent.n === parent.capacity ? "completed" : "linked", parent: state(named) };
  }

  return { judge, count: (code) => parents.get(code)?.n };
}
