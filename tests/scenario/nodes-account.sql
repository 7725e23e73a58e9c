-- What is wrong after all that: each row says what was lost or done twice.
-- Tables commands, orders_acked and journal hold what was acknowledged.
SELECT 'command lost: ' || a.id || ' ' || COALESCE(c.state, 'unknown')
	FROM commands a LEFT JOIN command c ON c.id = a.id AND c.request_type = a.type
	WHERE c.state IS DISTINCT FROM 'acknowledged';
SELECT 'events of a command: ' || a.id FROM commands a WHERE 1 <> (SELECT COUNT(*) FROM event
	WHERE subject_id = a.id AND kind = 'command.queued') OR 1 <> (SELECT COUNT(*) FROM event
	WHERE subject_id = a.id AND kind = 'command.acknowledged');
SELECT 'order lost: ' || a.id FROM orders_acked a LEFT JOIN orders o ON o.id = a.id
	WHERE o.state IS DISTINCT FROM 'acknowledged' OR 1 <> (SELECT COUNT(*) FROM event
	WHERE subject_id = a.id AND kind = 'order.created');
SELECT 'two orders: ' || idempotency_key FROM orders GROUP BY 1 HAVING COUNT(*) > 1;
SELECT 'report lost: ' || j.id FROM journal j LEFT JOIN command c ON c.id = j.id
	WHERE c.state IS NULL OR c.state NOT IN ('acknowledged', 'error');
SELECT 'report taken twice: ' || id FROM journal GROUP BY id HAVING COUNT(*) > 1;
SELECT 'ended twice: ' || subject_id FROM event WHERE kind IN ('command.acknowledged',
	'command.error', 'command.expired', 'command.cancelled') GROUP BY 1 HAVING COUNT(*) > 1;
SELECT 'delivered again after its end: ' || d.subject_id FROM event d JOIN event a ON
	a.subject_id = d.subject_id AND a.kind = 'command.acknowledged' AND d.seq > a.seq
	WHERE d.kind = 'command.delivered';
SELECT 'gap in the feed: ' || COUNT(*) || ' of ' || MAX(seq) FROM event
	HAVING COUNT(*) <> MAX(seq);
SELECT 'wipe of a T2: ' || c.id FROM command c JOIN enrollment e ON e.id = c.enrollment_id
	JOIN device d ON d.id = e.device_id WHERE c.request_type = 'EraseDevice' AND d.chip = 't2';
